"""The queue before the denoiser: bounded, newest first, neighbours taken together.

The queue holds what can be drawn within the deadline, by the pace of the last windows. Beyond that
the oldest job is refused: it is the one that would come too late.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from engine.imagery import Imagery, Pixels
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.errors import Overloaded
from tileserver.grid import TILE_PX
from tileserver.tiles.neighbours import rectangle

PACE_SHARE = 0.2
"""Weight of the last window in the running mean of seconds per tile."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A window's pixels (C, H, W) and what they cost."""

    pixels: Pixels
    waited_seconds: float
    drawn_seconds: float
    merged: int
    """Windows that were drawn together, as one or in a batch."""


@dataclass(eq=False, slots=True)
class Job:
    """A queued window, its pinned source pixels and its caller's future."""

    picture: Imagery
    window: Window
    source: Pinned
    future: asyncio.Future[Drawn]
    asked: float = field(default_factory=time.perf_counter)

    @property
    def tiles(self) -> float:
        """The window's area in tiles."""
        return area_tiles(self.window)

    def answer(self, drawn: Drawn | Exception) -> None:
        """Hand over the result, from any thread."""
        with suppress(RuntimeError):  # the loop was closed, and so its callers
            self.future.get_loop().call_soon_threadsafe(self._set, drawn)

    def _set(self, drawn: Drawn | Exception) -> None:
        if self.future.done():
            return
        if isinstance(drawn, Exception):
            self.future.set_exception(drawn)
        else:
            self.future.set_result(drawn)


class DrawQueue:
    """Jobs that wait for the thread that draws; for any thread."""

    def __init__(
        self,
        queue_tiles: float,
        merged_tiles: int,
        deadline_seconds: float,
        *,
        batched_windows: int = 1,
    ) -> None:
        """Tiles here are areas of 256 x 256 px.

        batched_windows: windows of a picture that are no neighbours, taken together at most.
        """
        self.queue_tiles, self.merged_tiles = queue_tiles, merged_tiles
        self.deadline_seconds, self.batched_windows = deadline_seconds, batched_windows
        self.shed = 0
        """Jobs refused because they would have come too late."""
        self.disconnected = 0
        """Jobs that left the queue because their callers were cancelled."""
        self.closed = False
        self._seconds_a_tile = 0.0
        self._waiting: list[Job] = []  # the oldest first
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room_tiles(self) -> float:
        """Tiles that may wait: what can be drawn within the deadline, queue_tiles at most."""
        if not self._seconds_a_tile:
            return self.queue_tiles
        in_time = self.deadline_seconds / self._seconds_a_tile
        return min(self.queue_tiles, max(in_time, self.merged_tiles))

    def put(self, job: Job) -> None:
        """Enqueue a job and refuse those that would now miss the deadline; raises Overloaded."""
        with self._changed:
            if self.closed:
                raise Overloaded
            self._waiting.append(job)
            late = self._take_late()
            self._changed.notify()
        for refused in late:
            error = Overloaded()
            error.__cause__ = TimeoutError("more windows wait than can be drawn in time")
            refused.answer(error)

    def discard(self, job: Job) -> None:
        """Drop the job of a cancelled caller, unless it is being drawn."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self.disconnected += 1

    def take(self) -> list[list[Job]] | None:
        """What is drawn next, taken off the queue, by windows; None once the queue is closed.

        Waits for the newest job and takes its waiting neighbours with it, as a full rectangle; in
        batches also the next newest of its picture.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.closed)
            if self.closed:
                return None
            newest, left = self._waiting[-1], float(self.merged_tiles)
            groups: list[list[Job]] = []
            while len(groups) < self.batched_windows:
                same = [job for job in self._waiting if job.picture is newest.picture]
                if not same or (groups and same[-1].tiles > left):
                    break
                groups.append(_select_neighbours(same, left))
                taken = set(groups[-1])
                self._waiting = [job for job in self._waiting if job not in taken]
                left -= sum(job.tiles for job in taken)
            return groups

    def note_pace(self, seconds_a_tile: float) -> None:
        """How long the last windows took: the queue's room follows."""
        before = self._seconds_a_tile or seconds_a_tile
        self._seconds_a_tile = before + PACE_SHARE * (seconds_a_tile - before)

    def close(self) -> None:
        """Take no more jobs; those that wait are refused."""
        with self._changed:
            self.closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify()
        for job in left:
            job.answer(Overloaded())

    def _take_late(self) -> list[Job]:
        """The oldest jobs beyond what the queue has room for, taken off it."""
        late = []
        surplus = sum(job.tiles for job in self._waiting) - self.room_tiles
        while surplus > 0 and len(self._waiting) > 1:
            late.append(self._waiting.pop(0))
            surplus -= late[-1].tiles
        self.shed += len(late)
        return late


def area_tiles(window: Window) -> float:
    """A window's area in tiles of 256 x 256 px."""
    return window.height * window.width / TILE_PX**2


def _select_neighbours(jobs: list[Job], limit_tiles: float) -> list[Job]:
    """The last job with its neighbours, as a full rectangle."""
    newest, by_window = jobs[-1], {job.window: job for job in jobs}
    limit = max(1, int(limit_tiles / newest.tiles))
    return [by_window[w] for w in rectangle(newest.window, set(by_window), limit)]
