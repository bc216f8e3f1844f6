"""Several workers on one port: the process that starts them, and starts again those that die.

It holds the sockets, which the workers inherit: each listens on its own and, with some patience, on
those of the others (takeover). So a connection that nobody has accepted yet outlives a killed
worker. The first worker starts alone: it reports errors of the start, and prints the URLs, once.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from tileserver.process.listening import close_all
from tileserver.process.reports import Others, Report
from tileserver.totals import Snapshot, add_up, keep_counters

logger = logging.getLogger(__name__)

STEADY_SECONDS = 60.0
"""A worker that ran as long starts again at once, whatever happened before."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
"""Between starts of a worker that keeps dying; the first time it starts again at once."""
EXIT_SECONDS = 10.0
"""From the end of a worker's connection to the end of its process, at most; then it is killed."""

WAKE_SECONDS = 0.5
"""How soon a signal is noticed while no worker runs."""

Work = Callable[[int, Connection, bool], None]
"""Runs a worker until it ends; picklable. Its arguments: its number from 1, the connection for its
Reporter, and whether it is the first to start."""


class Supervisor:
    """Runs a number of workers until SIGTERM or SIGINT."""

    def __init__(self, workers: int, work: Work, sockets: list[socket.socket]) -> None:
        """sockets: those that the workers inherit, closed when the server is to end."""
        self._work, self._sockets = work, sockets
        self._slots = [_Slot(number) for number in range(1, workers + 1)]
        self._ended = Snapshot()
        """What workers that have ended counted."""
        self._serving = self._stopping = self._failed = False

    def run(self) -> int:
        """The exit status: 0 after a graceful shutdown, 1 if a worker cannot start or end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._start(self._slots[0])
        while not self._stopping or self._running():
            connections = {worker.connection: slot for slot, worker in self._running()}
            for ready in wait(list(connections), self._pause_seconds()):
                assert isinstance(ready, Connection)
                self._receive(connections[ready])
            for slot in self._slots:
                if slot.due <= time.monotonic() and not self._stopping:
                    self._start(slot)
        return int(self._failed)

    def _running(self) -> list[tuple[_Slot, _Worker]]:
        return [(slot, slot.worker) for slot in self._slots if slot.worker is not None]

    def _pause_seconds(self) -> float | None:
        """The longest time to wait for the workers; None: until one of them reports or ends."""
        due = inf if self._stopping else min(slot.due for slot in self._slots)
        return None if due == inf else min(max(0.0, due - time.monotonic()), WAKE_SECONDS)

    def _start(self, slot: _Slot) -> None:
        spawn = multiprocessing.get_context("spawn")
        here, there = spawn.Pipe()
        name, first = f"worker {slot.number}", not self._serving
        process = spawn.Process(target=self._work, args=(slot.number, there, first), name=name)
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: see Serving.work
        process.start()
        signal.signal(signal.SIGINT, interrupt)
        there.close()
        slot.worker, slot.due, slot.started = _Worker(process, here), inf, time.monotonic()
        if self._stopping:  # the signal came meanwhile
            process.terminate()

    def _receive(self, slot: _Slot) -> None:
        """Answer a worker's report, or note its end."""
        worker = slot.worker
        assert worker is not None
        try:
            worker.report = worker.connection.recv()
            worker.connection.send(self._others_of(worker))
        except (EOFError, OSError):
            self._end(slot, worker)
            return
        if not self._serving:
            self._serving = True
            for other in self._slots[1:]:
                other.due = time.monotonic()

    def _others_of(self, worker: _Worker) -> Others:
        workers = [other for _, other in self._running() if other is not worker]
        reports = [other.report for other in workers if other.report is not None]
        snapshots = [report.snapshot for report in reports]
        problems = tuple(report.problem for report in reports)
        return Others(add_up([self._ended, *snapshots]), problems)

    def _end(self, slot: _Slot, worker: _Worker) -> None:
        """Take note of a worker's end, and of when another is to start in its place."""
        slot.worker = None
        code = worker.end()
        if worker.report is not None:
            self._ended = add_up((self._ended, keep_counters(worker.report.snapshot)))
        if self._stopping:
            self._failed = self._failed or code not in (0, -signal.SIGTERM)
            return
        reason = f"by signal {-code}" if code < 0 else f"with status {code}"
        if not self._serving:
            logger.error("the server cannot start: its first worker ended %s", reason)
            self._failed = True
            self._stop()
            return
        pause = slot.plan_start()
        logger.warning(
            "worker %d (process %d) ended %s; another starts in %g s",
            slot.number,
            worker.process.pid,
            reason,
            pause,
        )

    def _stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Stop listening and tell every worker to end; after a second signal they do at once."""
        self._stopping = True
        close_all(self._sockets)
        for _, worker in self._running():
            worker.process.terminate()


@dataclass(eq=False, slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    report: Report | None = None
    """Its last one."""

    def end(self) -> int:
        """Wait for a process whose connection has ended: its exit code."""
        self.connection.close()
        self.process.join(EXIT_SECONDS)
        self.process.kill()
        self.process.join()
        return self.process.exitcode or 0


@dataclass(eq=False, slots=True)
class _Slot:
    """The place of one worker after the other."""

    number: int
    worker: _Worker | None = None
    started: float = inf
    """When its worker started (time.monotonic)."""
    due: float = inf
    """When the next worker is to start."""
    failures: int = 0
    """Workers in a row that did not run for long."""

    def plan_start(self) -> float:
        """Set when the next worker starts: in how many seconds."""
        now = time.monotonic()
        self.failures = 0 if now - self.started >= STEADY_SECONDS else self.failures + 1
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** max(0, self.failures - 2)
        pause = min(doubled, LONGEST_PAUSE_SECONDS) if self.failures > 1 else 0.0
        self.due = now + pause
        return pause
