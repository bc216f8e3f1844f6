"""Events in simulated time, and cores that all running threads share alike, as the system's do."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Act = Callable[[], object]
NEARLY = 1e-12
"""Seconds of work that are rounding."""


class Events:
    """What happens, in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()

    def later(self, seconds: float, act: Act) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), act))

    def run(self) -> None:
        """Until nothing is to come."""
        while self._due:
            self.now, _, act = heapq.heappop(self._due)
            act()


@dataclass(eq=False, slots=True)
class _Work:
    seconds: float
    """Left for each of its threads."""
    threads: int
    then: Act


class Cores:
    """The cores of a machine. A thread has one, or its share where more threads run."""

    def __init__(self, events: Events, cores: float, until: float) -> None:
        """until: the time from which on what is busy no longer counts."""
        self.events, self.cores, self.until = events, cores, until
        self.busy_seconds = 0.0
        """Of all cores together."""
        self._running: list[_Work] = []
        self._since = 0.0
        self._plan = 0

    def start(self, seconds: float, threads: int, then: Act) -> None:
        """Work of so many seconds of a core for each thread."""
        self._advance()
        self._running.append(_Work(seconds, threads, then))
        self._plan_end()

    @property
    def _rate(self) -> float:
        """Seconds of work a second, of each thread."""
        threads = sum(work.threads for work in self._running)
        return min(1.0, self.cores / threads) if threads else 0.0

    def _advance(self) -> None:
        now, rate = self.events.now, self._rate
        for work in self._running:
            work.seconds -= (now - self._since) * rate
        counted = max(0.0, min(now, self.until) - min(self._since, self.until))
        self.busy_seconds += counted * rate * sum(work.threads for work in self._running)
        self._since = now

    def _plan_end(self) -> None:
        """Come back when the first work is done, unless the work changes before."""
        self._plan += 1
        if self._running:
            seconds = max(0.0, min(work.seconds for work in self._running)) / self._rate
            plan = self._plan
            self.events.later(seconds, lambda: self._end(plan))

    def _end(self, plan: int) -> None:
        if plan != self._plan:
            return
        self._advance()
        done = [work for work in self._running if work.seconds <= NEARLY]
        self._running = [work for work in self._running if work.seconds > NEARLY]
        self._plan_end()
        for work in done:
            work.then()


class Line:
    """A resource that serves one after the other, on shared cores."""

    def __init__(self, cores: Cores, threads: int = 1) -> None:
        self.cores, self.threads = cores, threads
        self.busy_seconds = 0.0
        self._waiting: deque[tuple[float, Act, Callable[[], bool]]] = deque()
        self._busy = False

    @property
    def length(self) -> int:
        """Those that wait or are served."""
        return len(self._waiting) + self._busy

    def serve(self, seconds: float, then: Act, given_up: Callable[[], bool]) -> None:
        """seconds: of a core, for each thread; given_up: whether it is dropped in its turn."""
        self._waiting.append((seconds, then, given_up))
        self._next()

    def _next(self) -> None:
        while self._waiting and not self._busy:
            seconds, then, given_up = self._waiting.popleft()
            if not given_up():
                self._busy = True
                self._serve(seconds, then)

    def _serve(self, seconds: float, then: Act) -> None:
        events, until = self.cores.events, self.cores.until
        begun = min(events.now, until)

        def end() -> None:
            self._busy = False
            self.busy_seconds += min(events.now, until) - begun
            then()
            self._next()

        self.cores.start(seconds, self.threads, end)
