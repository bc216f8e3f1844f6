"""A discrete-event simulation of servers and viewers, with the server's own queue.

    viewers     pan at random moments; a pan asks for VIEW tiles, all cached or none
    balancer    5 x 5 tiles of a zoom go to the same replica (deploy/nginx.conf)
    front       of each replica: a request at a time, in the order of arrival; so many at most
    Redis       of all replicas: a call at a time
    readers     of each replica: two at a time, as the server's for one source
    queue       of each replica: tileserver's DrawQueue itself, with its room, merging and refusals
    device      of each replica: draws what the queue gives, as a linear function of its tiles

Replicas are alike, so a few of them stand for all: each has its share of the viewers, and Redis
takes as much longer as there are replicas that are not simulated.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from engine.imagery import Imagery, Pixels
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.grid import TILE_PX
from tileserver.tiles.draw_queue import Drawn, DrawQueue, Job, area_tiles
from tileserver.tiles.readers import SHARE

VIEW = (3, 2)
"""Tiles across and down that a pan asks for."""
BLOCK = 5
SIMULATED_REPLICAS = 4
MANY = 50.0
"""Tiles a second asked of a replica, from which one is simulated: its load says enough."""
MOST_REQUESTS = 40_000
"""Requests simulated at most; beyond, the load on a replica is cut, and counts as refused."""
CALLS_BEFORE, CALLS_AFTER = 3, 2
"""Of Redis for a tile that is made: get, lease, get; put, release."""
RESOURCES = ("front", "Redis", "readers", "device")
NOTHING: Pixels = np.zeros((1, 1, 1), np.float32)


@dataclass(frozen=True)
class Costs:
    """Measured seconds of work."""

    draw_seconds: float
    """Of a window, whatever its size."""
    tile_seconds: float
    """Of each tile in it, encoding included."""
    read_seconds: float
    """Of reading what a tile's drawing needs of the source."""
    hit_seconds: float
    """The front's, of a request."""
    redis_seconds: float
    """Redis's, of a call."""


@dataclass(frozen=True)
class Load:
    """Viewers, servers, and the servers' settings."""

    viewers: int
    replicas: int
    hit_ratio: float = 0.9
    pan_seconds: float = 4.0
    """Between a viewer's pans, in the mean."""
    seconds: float = 60.0
    """How long viewers arrive."""
    deadline_seconds: float = 20.0
    queue_tiles: int = 256
    merged_tiles: int = 16
    requests: int = 2048

    @property
    def offered(self) -> float:
        """Tiles asked for a second."""
        return self.viewers / self.pan_seconds * VIEW[0] * VIEW[1]


@dataclass
class Outcome:
    """What became of the requests."""

    load: Load
    arrived: int = 0
    answered: int = 0
    refused: int = 0
    made: int = 0
    waits: list[float] = field(default_factory=list)
    """Of all answered requests, in seconds."""
    made_waits: list[float] = field(default_factory=list)
    """Of those whose tiles were made."""
    in_time: int = 0
    """Requests answered while viewers still arrived."""
    cut: float = 1.0
    """Share of the load that was simulated."""
    scale: float = 1.0
    """Replicas for each that was simulated."""
    busy_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0.0))

    @property
    def tiles_per_second(self) -> float:
        """Answered by all replicas while viewers arrived."""
        return self.in_time * self.scale / self.load.seconds

    @property
    def refused_share(self) -> float:
        return 1 - self.answered / self.arrived * self.cut if self.arrived else 0.0

    def wait(self, quantile: float) -> float:
        return float(np.quantile(self.waits, quantile)) if self.waits else 0.0

    @property
    def bottleneck(self) -> str:
        """The resource that is busiest, with its share of the time."""
        name = max(self.busy_seconds, key=lambda one: self.busy_seconds[one])
        return f"{name} {min(1.0, self.busy_seconds[name] / self.load.seconds):.0%}"


class Simulation:
    """One run; deterministic by its seed."""

    def __init__(self, costs: Costs, load: Load, seed: int = 0) -> None:
        self.costs, self.load, self.random = costs, load, random.Random(seed)
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.outcome = Outcome(load)
        many = load.offered / load.replicas > MANY
        simulated = 1 if many else min(load.replicas, SIMULATED_REPLICAS)
        self.outcome.scale = load.replicas / simulated
        self.redis = _Line(self, "Redis", self.outcome.scale)
        self.replicas = [_Replica(self) for _ in range(simulated)]

    def run(self) -> Outcome:
        """Until every request that arrived is answered or refused."""
        rate = self.load.offered / self.outcome.scale / (VIEW[0] * VIEW[1])
        most = MOST_REQUESTS / self.load.seconds / (VIEW[0] * VIEW[1])
        self.outcome.cut = min(1.0, most / rate)
        self._next_pan(min(rate, most))
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()
        return self.outcome

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), act))

    def _next_pan(self, rate: float) -> None:
        pause = self.random.expovariate(rate)
        if self.now + pause < self.load.seconds:
            self.later(pause, lambda: self._pan(rate))

    def _pan(self, rate: float) -> None:
        row, col = self.random.randrange(2**20), self.random.randrange(2**20)
        cached = self.random.random() < self.load.hit_ratio
        for down, across in itertools.product(range(VIEW[1]), range(VIEW[0])):
            tile = (row + down, col + across)
            block = tile[0] // BLOCK, tile[1] // BLOCK
            replica = self.replicas[hash(block) % len(self.replicas)]
            replica.arrive(_Request(self, tile, cached))
        self._next_pan(rate)


class _Line:
    """A resource that serves one after the other."""

    def __init__(self, simulation: Simulation, name: str, slower: float = 1.0) -> None:
        self.simulation, self.name, self.slower, self.free = simulation, name, slower, 0.0

    def serve(self, seconds: float, then: Callable[[], None]) -> None:
        now = self.simulation.now
        start = max(now, self.free)
        self.free = start + seconds * self.slower
        end = self.simulation.load.seconds
        within = max(0.0, min(self.free, end) - min(start, end))
        share = 1.0 if self.name == "Redis" else 1 / len(self.simulation.replicas)
        share /= SHARE if self.name == "readers" else 1
        self.simulation.outcome.busy_seconds[self.name] += within * share
        self.simulation.later(self.free - now, then)


class _Request:
    """One tile that is asked for; stands in for the future of its job, and for its event loop."""

    def __init__(self, simulation: Simulation, tile: tuple[int, int], cached: bool) -> None:
        self.simulation, self.tile, self.cached = simulation, tile, cached
        self.arrived, self.ended = simulation.now, False
        self.replica: _Replica | None = None

    def get_loop(self) -> _Request:
        return self

    def call_soon_threadsafe(self, act: Callable[[Any], None], result: Any) -> None:
        act(result)

    def done(self) -> bool:
        return self.ended

    def set_result(self, _drawn: Drawn) -> None:
        outcome, costs = self.simulation.outcome, self.simulation.costs
        outcome.made += 1
        self.simulation.redis.serve(CALLS_AFTER * costs.redis_seconds, self.answer)

    def set_exception(self, _error: Exception) -> None:
        self.refuse()

    def answer(self) -> None:
        if self.ended:
            return
        waited = self.simulation.now - self.arrived
        self.simulation.outcome.answered += 1
        self.simulation.outcome.in_time += self.simulation.now <= self.simulation.load.seconds
        self.simulation.outcome.waits.append(waited)
        if not self.cached:
            self.simulation.outcome.made_waits.append(waited)
        self._end()

    def refuse(self) -> None:
        if not self.ended:
            self.simulation.outcome.refused += 1
            self._end()

    def _end(self) -> None:
        self.ended = True
        if self.replica is not None:
            self.replica.running -= 1


class _Replica:
    """A server with one device."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation, load = simulation, simulation.load
        self.front = _Line(simulation, "front")
        self.device = _Line(simulation, "device")
        self.readers = [_Line(simulation, "readers") for _ in range(SHARE)]
        self.queue = DrawQueue(load.queue_tiles, load.merged_tiles, load.deadline_seconds)
        self.running, self.drawing = 0, False

    def arrive(self, request: _Request) -> None:
        costs = self.simulation.costs
        self.simulation.outcome.arrived += 1
        if self.running >= self.simulation.load.requests:
            request.refuse()
            return
        request.replica = self
        self.running += 1
        found = request.answer if request.cached else lambda: self._look_up(request)
        self.front.serve(costs.hit_seconds, found)
        self.simulation.later(self.simulation.load.deadline_seconds, request.refuse)

    def _look_up(self, request: _Request) -> None:
        seconds = CALLS_BEFORE * self.simulation.costs.redis_seconds
        self.simulation.redis.serve(seconds, lambda: self._read(request))

    def _read(self, request: _Request) -> None:
        if request.ended:  # past its deadline
            return
        reader = min(self.readers, key=lambda one: one.free)
        reader.serve(self.simulation.costs.read_seconds, lambda: self._queue(request))

    def _queue(self, request: _Request) -> None:
        if request.ended:  # past its deadline
            return
        row, col = (place * TILE_PX for place in request.tile)
        window = Window(row, col, TILE_PX, TILE_PX)
        future = cast(Any, request)
        job = Job(PICTURE, window, SOURCE, future, asked=self.simulation.now)
        left = self.simulation.load.deadline_seconds - (self.simulation.now - request.arrived)
        self.simulation.later(left, lambda: self.queue.discard(job))
        self.queue.put(job)
        # Once all that arrives at this moment is in the queue: requests of a view come together.
        self.simulation.later(0, self._draw)

    def _draw(self) -> None:
        if self.drawing or not len(self.queue):
            return
        groups = self.queue.take()
        assert groups is not None
        jobs = [job for group in groups for job in group]
        tiles = sum(area_tiles(job.window) for job in jobs)
        costs = self.simulation.costs
        seconds = costs.draw_seconds + tiles * costs.tile_seconds
        self.drawing = True

        def drawn() -> None:
            self.drawing = False
            self.queue.note_pace(seconds / tiles)
            for job in jobs:
                job.answer(Drawn(NOTHING, 0.0, seconds, len(jobs)))
            self._draw()

        self.device.serve(seconds, drawn)


PICTURE, SOURCE = cast(Imagery, object()), cast(Pinned, object())
"""The queue compares pictures, and neither reads nor draws."""
