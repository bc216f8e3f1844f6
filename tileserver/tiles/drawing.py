"""From a checked request to pixels: read in threads of the source, drawn on the one device."""

from __future__ import annotations

import numpy as np

from engine.imagery import Pixels
from engine.window import Window
from tileserver.tiles.clock import Clock
from tileserver.tiles.pixels import merge_pixels, pin_source, read_pixels
from tileserver.tiles.readers import Readers
from tileserver.tiles.rendering import Mask
from tileserver.tiles.request import TileRequest
from tileserver.tiles.scheduler import Scheduler


class TileDrawer:
    """Makes the pixels of tiles."""

    def __init__(self, readers: Readers, scheduler: Scheduler) -> None:
        self._readers, self._scheduler = readers, scheduler

    async def draw(self, request: TileRequest, clock: Clock) -> tuple[Pixels, Mask]:
        """A tile's values (C, H, W) and where they are data (H, W); 1 is the source's whole range.

        The tile as it is read, or its crop of its zoom's picture, native or deeper. Raises
        Overloaded and SourceUnavailable.
        """
        layer = request.layer
        if layer.nearest is not None or request.pixel_zoom < layer.native_zoom:
            pixels = await self._readers.run(request.source.id, read_pixels, request)
            clock.lap("read")
            return pixels
        parts = [await self._draw_window(request, window, clock) for window in request.windows]
        return merge_pixels(parts)

    async def _draw_window(
        self, request: TileRequest, window: Window, clock: Clock
    ) -> tuple[Pixels, Mask]:
        read, id = self._readers.run, request.source.id
        valid, source = await read(id, pin_source, request, window)
        clock.lap("read")
        if not valid.any():
            bands = len(request.source.raster.indexes)
            return np.zeros((bands, *valid.shape), np.float32), valid
        if source is not None:
            drawn = await self._scheduler.draw(request.imagery, window, source)
            clock.lap("queue")
            clock.split("queue", "engine", drawn.drawn_seconds)
            return drawn.pixels, valid
        pixels = await read(id, request.imagery.read, window)
        clock.lap("interpolate")
        return pixels, valid
