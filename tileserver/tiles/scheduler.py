"""The thread that draws: one, because one evaluation uses the whole device.

It takes the newest window of the queue with its waiting neighbours (a shared halo is drawn once),
and cuts the result apart. On a GPU the next newest windows of the same picture, other viewers',
join it in one batch. A window's pixels do not depend on what it is batched with: pictures are
equal for every window that contains them.

It reads nothing: a window brings its part of the source, which its job alone holds until it is
drawn, refused or cancelled. What is held is bounded as jobs are: with the bundled
checkpoint and RGB a tile of 256 px brings 332 x 332 px, 1.3 MB, at native + 1, and 0.5 MB deeper;
queue_tiles that wait and merged_tiles that are drawn, 256 and 16, are 360 MB at most.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from engine.imagery import Imagery, read_many
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.tiles.draw_queue import Drawn, DrawQueue, Job, area_tiles
from tileserver.tiles.neighbours import join

logger = logging.getLogger(__name__)


class Scheduler:
    """Draws windows of pictures on one device. Windows lie on multiples of their own size."""

    def __init__(
        self,
        queue_tiles: float,
        merged_tiles: int,
        deadline_seconds: float,
        *,
        batched_windows: int = 1,
        record_waits: Callable[[list[float]], None] = lambda waited_seconds: None,
    ) -> None:
        """Limits of the queue (see DrawQueue), and a callback.

        record_waits: called with the seconds that each of the windows drawn as one has waited.
        """
        self._queue = DrawQueue(
            queue_tiles, merged_tiles, deadline_seconds, batched_windows=batched_windows
        )
        self._record_waits = record_waits
        self.running_since: float | None = None
        """When the evaluation that runs now began (time.monotonic)."""
        self._thread = threading.Thread(target=self._work, name="denoiser", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Windows in the queue."""
        return len(self._queue)

    @property
    def room_tiles(self) -> float:
        """Tiles that may wait."""
        return self._queue.room_tiles

    @property
    def shed(self) -> int:
        """Windows refused because they would have come too late."""
        return self._queue.shed

    @property
    def disconnected(self) -> int:
        """Windows that left the queue because their callers were cancelled."""
        return self._queue.disconnected

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._queue.closed

    async def draw(self, picture: Imagery, window: Window, source: Pinned) -> Drawn:
        """A window's pixels, when its turn has come; raises Overloaded where it comes too late.

        source: all that drawing the window reads of the picture's source. A cancelled caller takes
        its window out of the queue.
        """
        job = Job(picture, window, source, asyncio.get_running_loop().create_future())
        self._queue.put(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._queue.discard(job)
            raise

    def close(self) -> None:
        """Stop drawing; waiting callers get Overloaded."""
        self._queue.close()
        self._thread.join()

    def _work(self) -> None:
        while self._draw_next():
            pass

    def _draw_next(self) -> bool:
        """Draw what is next, and hold nothing of it afterwards; False at the end."""
        groups = self._queue.take()
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
        self._queue.note_pace(seconds / sum(area_tiles(window) for window in windows))
        self._record_waits([started - job.asked for job in jobs])
        for outer, pixels, group in zip(windows, drawn, groups, strict=True):
            for job in group:
                rows, cols = outer.slices(job.window)
                part = pixels[:, rows, cols]
                job.answer(Drawn(part, started - job.asked, seconds, len(jobs)))
        return True
