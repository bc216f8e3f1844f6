"""The queue before the denoiser: bounded, newest first, neighbours drawn as one window.

One thread draws, because one evaluation uses the whole device. It takes the newest window that
waits, grows it by whole rows and columns of waiting neighbours (a shared halo is drawn once), and
cuts the result apart. On a GPU the next newest windows of the same picture, other viewers', join
it in one batch. A window's pixels do not depend on its company: pictures are equal for every window
that holds them.

It reads nothing: a window brings its part of the source, which its job alone holds until it is
drawn, refused or awaited by nobody. What is held is bounded as jobs are: with the bundled
checkpoint and RGB a tile of 256 px brings 332 x 332 px, 1.3 MB, at native + 1, and 0.5 MB deeper;
queue_tiles that wait and merged_tiles that are drawn, 256 and 16, are 360 MB at most.

The queue holds what can be drawn within the deadline, by the pace of the last windows. Beyond that
the oldest window is refused: it is the one that would come too late. A window that nobody awaits
any more leaves the queue.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from engine.imagery import Imagery, Pixels, read_many
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.errors import Overloaded
from tileserver.grid import TILE_PX
from tileserver.tiles.neighbours import join, rectangle

logger = logging.getLogger(__name__)

PACE_SHARE = 0.2
"""Weight of the last window in the running mean of seconds a tile."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A window's pixels (C, H, W) and what they cost."""

    pixels: Pixels
    waited_seconds: float
    drawn_seconds: float
    merged: int
    """Windows that were drawn together, as one or in a batch."""


@dataclass(eq=False, slots=True)
class _Job:
    picture: Imagery
    window: Window
    source: Pinned
    future: asyncio.Future[Drawn]
    loop: asyncio.AbstractEventLoop
    asked: float = field(default_factory=time.perf_counter)

    @property
    def tiles(self) -> float:
        """The window's area in tiles."""
        return _tiles(self.window)

    def answer(self, drawn: Drawn | Exception) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._set, drawn)

    def _set(self, drawn: Drawn | Exception) -> None:
        if self.future.done():
            return
        if isinstance(drawn, Exception):
            self.future.set_exception(drawn)
        else:
            self.future.set_result(drawn)


class Scheduler:
    """Draws windows of pictures on one device. Windows lie on multiples of their own size."""

    def __init__(
        self,
        queue_tiles: int,
        merged_tiles: int,
        deadline_seconds: float,
        batched_windows: int = 1,
        drawn: Callable[[list[float]], None] = lambda waited_seconds: None,
    ) -> None:
        """Tiles here are areas of 256 x 256 px.

        batched_windows: windows of a picture that are no neighbours, drawn in one batch at most.
        drawn: told how long each of the windows that were drawn as one has waited, in seconds.
        """
        self.batched_windows, self._drawn = batched_windows, drawn
        self.queue_tiles, self.merged_tiles = queue_tiles, merged_tiles
        self.deadline_seconds = deadline_seconds
        self.shed = 0
        """Windows refused because they would have come too late."""
        self.departed = 0
        """Windows that left the queue because nobody awaited them any more."""
        self.running_since: float | None = None
        """When the evaluation that runs now began (time.monotonic)."""
        self._seconds_a_tile = 0.0
        self._waiting: list[_Job] = []  # the oldest first
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="denoiser", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Windows in the queue."""
        return len(self._waiting)

    @property
    def room_tiles(self) -> float:
        """Tiles that may wait: what can be drawn within the deadline, queue_tiles at most."""
        if not self._seconds_a_tile:
            return self.queue_tiles
        in_time = self.deadline_seconds / self._seconds_a_tile
        return min(self.queue_tiles, max(in_time, self.merged_tiles))

    async def draw(self, picture: Imagery, window: Window, source: Pinned) -> Drawn:
        """A window's pixels, when its turn has come; raises Overloaded where it comes too late.

        source: all that drawing the window reads of the picture's source. A cancelled caller takes
        its window out of the queue.
        """
        loop = asyncio.get_running_loop()
        job = _Job(picture, window, source, loop.create_future(), loop)
        self._enqueue(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            with self._changed:
                if job in self._waiting:
                    self._waiting.remove(job)
                    self.departed += 1
            raise

    def _enqueue(self, job: _Job) -> None:
        """Let a job wait, in place of those that come too late then; raises Overloaded."""
        with self._changed:
            if self._closed:
                raise Overloaded
            self._waiting.append(job)
            late = self._late()
            self._changed.notify()
        for refused in late:
            error = Overloaded()
            error.__cause__ = TimeoutError("more windows wait than can be drawn in time")
            refused.answer(error)

    def _late(self) -> list[_Job]:
        """The oldest jobs beyond what the queue has room for, taken off it."""
        late = []
        surplus = sum(job.tiles for job in self._waiting) - self.room_tiles
        while surplus > 0 and len(self._waiting) > 1:
            late.append(self._waiting.pop(0))
            surplus -= late[-1].tiles
        self.shed += len(late)
        return late

    def close(self) -> None:
        """Stop drawing; whoever still waits is told to come again."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify()
        for job in left:
            job.answer(Overloaded())
        self._thread.join()

    def _work(self) -> None:
        while self._draw_next():
            pass

    def _draw_next(self) -> bool:
        """Draw what is next, and hold nothing of it afterwards; False at the end."""
        groups = self._take()
        if groups is None:
            return False
        started, self.running_since = time.perf_counter(), time.monotonic()
        windows = [join(job.window for job in group) for group in groups]
        jobs = [job for group in groups for job in group]
        try:
            source = Pinned.join(job.source for job in jobs)
            drawn = read_many(jobs[0].picture, windows, source)
        except Exception as error:  # outermost: whatever failed is its waiters' answer
            logger.exception("drawing failed")
            for job in jobs:
                job.answer(error)
            return True
        finally:
            self.running_since = None
        seconds = time.perf_counter() - started
        self._note_pace(seconds / sum(_tiles(window) for window in windows))
        self._drawn([started - job.asked for job in jobs])
        for outer, pixels, group in zip(windows, drawn, groups, strict=True):
            for job in group:
                rows, cols = outer.slices(job.window)
                part = pixels[:, rows, cols]
                job.answer(Drawn(part, started - job.asked, seconds, len(jobs)))
        return True

    def _note_pace(self, seconds_a_tile: float) -> None:
        before = self._seconds_a_tile or seconds_a_tile
        self._seconds_a_tile = before + PACE_SHARE * (seconds_a_tile - before)

    def _take(self) -> list[list[_Job]] | None:
        """What is drawn next, taken off the queue, by windows; None at the end.

        The newest job with its waiting neighbours; in batches also the next newest of its picture.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            newest, left = self._waiting[-1], float(self.merged_tiles)
            groups: list[list[_Job]] = []
            while len(groups) < self.batched_windows:
                same = [job for job in self._waiting if job.picture is newest.picture]
                if not same or (groups and same[-1].tiles > left):
                    break
                groups.append(_beside(same, left))
                taken = set(groups[-1])
                self._waiting = [job for job in self._waiting if job not in taken]
                left -= sum(job.tiles for job in taken)
            return groups


def _beside(jobs: list[_Job], limit_tiles: float) -> list[_Job]:
    """The last job with its neighbours, as a full rectangle."""
    newest, by_window = jobs[-1], {job.window: job for job in jobs}
    limit = max(1, int(limit_tiles / newest.tiles))
    return [by_window[w] for w in rectangle(newest.window, set(by_window), limit)]


def _tiles(window: Window) -> float:
    return window.height * window.width / TILE_PX**2
