"""One simulated server and the requests that it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from engine.imagery import Imagery, Pixels
from engine.pictures.pinned import Pinned
from engine.window import Window
from tests.benchmarks.capacity.cores import Cores, Events, Line
from tests.benchmarks.capacity.load import Costs, Load, Outcome
from tileserver.grid import TILE_PX
from tileserver.tiles.draw_queue import Drawn, DrawQueue, Job, area_tiles
from tileserver.tiles.readers import SHARE
from tileserver.tiles.tile_store import ENCODER_THREADS

CALLS_BEFORE, CALLS_AFTER = 3, 2
"""Of Redis for a tile that is made: get, lease, get; put, release."""
NOTHING: Pixels = np.zeros((1, 1, 1), np.float32)
PICTURE, SOURCE = cast(Imagery, object()), cast(Pinned, object())
"""The queue compares pictures, and neither reads nor draws."""


class Request:
    """One tile that is asked for; stands in for the future of its job, and for its event loop."""

    def __init__(
        self, tile: tuple[int, int], cached: bool, events: Events, outcome: Outcome
    ) -> None:
        self.tile, self.cached, self.events, self.outcome = tile, cached, events, outcome
        self.arrived, self.ended = events.now, False
        self.replica: Replica | None = None

    def get_loop(self) -> Request:
        return self

    def call_soon_threadsafe(self, act: Callable[[Any], None], result: Any) -> None:
        act(result)

    def done(self) -> bool:
        return self.ended

    def set_result(self, _drawn: Drawn) -> None:
        assert self.replica is not None
        self.replica.encode(self)

    def set_exception(self, _error: Exception) -> None:
        self.refuse()

    def answer(self) -> None:
        if self.ended:
            return
        outcome, waited = self.outcome, self.events.now - self.arrived
        outcome.answered += 1
        outcome.in_time += self.events.now <= outcome.load.seconds
        outcome.waits.append(waited)
        if not self.cached:
            outcome.made_waits.append(waited)
        self._end()

    def refuse(self) -> None:
        if not self.ended:
            self.outcome.refused += 1
            self._end()

    def _end(self) -> None:
        self.ended = True
        if self.replica is not None:
            self.replica.running -= 1


class Replica:
    """A server: an event loop, threads that read, encode and draw, and the cores they share."""

    def __init__(self, events: Events, costs: Costs, load: Load, redis: Line) -> None:
        self.events, self.costs, self.load, self.redis = events, costs, load, redis
        self.cores = Cores(events, costs.cores, load.seconds)
        self.client, self.front = Line(self.cores), Line(self.cores)
        self.device = Line(self.cores, costs.threads)
        self.readers = [Line(self.cores) for _ in range(SHARE)]
        self.encoders = [Line(self.cores) for _ in range(ENCODER_THREADS)]
        self.queue = DrawQueue(load.queue_tiles, load.merged_tiles, load.deadline_seconds)
        self.running, self._drawing = 0, False

    def arrive(self, request: Request) -> None:
        request.outcome.arrived += 1
        if self.running >= self.load.requests:
            request.refuse()
            return
        request.replica = self
        self.running += 1
        self.events.later(self.load.deadline_seconds, request.refuse)
        if self.costs.client_seconds:
            self._serve([self.client], request, self.costs.client_seconds, self._look_up)
        else:
            self._look_up(request)

    def encode(self, request: Request) -> None:
        """From drawn pixels to the answer."""
        self._serve(self.encoders, request, self.costs.encode_seconds, self._store)

    def busy_shares(self) -> dict[str, float]:
        """Of the time, by resource."""
        seconds = self.load.seconds
        lines = {"front": [self.front], "device": [self.device]}
        lines |= {"readers": self.readers, "encoders": self.encoders}
        shares = {
            name: sum(line.busy_seconds for line in those) / len(those) / seconds
            for name, those in lines.items()
        }
        return shares | {"cores": self.cores.busy_seconds / self.costs.cores / seconds}

    def _serve(
        self, lines: list[Line], request: Request, seconds: float, then: Callable[[Request], None]
    ) -> None:
        line = min(lines, key=lambda one: one.length)
        line.serve(seconds, lambda: then(request), lambda: request.ended)

    def _look_up(self, request: Request) -> None:
        self._serve([self.front], request, self.costs.hit_seconds, self._find)

    def _find(self, request: Request) -> None:
        if request.cached:
            request.answer()
        else:
            seconds = CALLS_BEFORE * self.costs.redis_seconds
            self._serve([self.redis], request, seconds, self._read)

    def _read(self, request: Request) -> None:
        self._serve(self.readers, request, self.costs.read_seconds, self._queue)

    def _queue(self, request: Request) -> None:
        if request.ended:  # past its deadline
            return
        row, col = (place * TILE_PX for place in request.tile)
        window = Window(row, col, TILE_PX, TILE_PX)
        job = Job(PICTURE, window, SOURCE, cast(Any, request), asked=self.events.now)
        left = self.load.deadline_seconds - (self.events.now - request.arrived)
        self.events.later(left, lambda: self.queue.discard(job))
        self.queue.put(job)
        # Once all that arrives at this moment is in the queue: requests of a view come together.
        self.events.later(0, self._draw)

    def _draw(self) -> None:
        if self._drawing or not len(self.queue):
            return
        groups = self.queue.take()
        assert groups is not None
        jobs = [job for group in groups for job in group]
        tiles = sum(area_tiles(job.window) for job in jobs)
        seconds = self.costs.draw_seconds + tiles * self.costs.tile_seconds
        begun, self._drawing = self.events.now, True

        def drawn() -> None:
            self._drawing = False
            spent = self.events.now - begun
            self.queue.note_pace(spent / tiles)
            for job in jobs:
                job.answer(Drawn(NOTHING, 0.0, spent, len(jobs)))
            self._draw()

        self.device.serve(seconds / self.costs.threads, drawn, lambda: False)

    def _store(self, request: Request) -> None:
        seconds = CALLS_AFTER * self.costs.redis_seconds
        self._serve([self.redis], request, seconds, Request.answer)
