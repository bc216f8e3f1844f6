"""A source as its files are now, and what its tiles are drawn from on the pixels of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, log2
from threading import Lock

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from cache.key import fingerprint
from engine.imagery import Imagery, Pixels, source_window
from engine.pictures.pinned import Pinned
from engine.pictures.pyramid import Pyramid
from engine.pictures.samples import Samples
from engine.window import Window
from tileserver.grid import TILE_PX, Grid, grid_of
from tileserver.imagery.bands import BLOCK_PX, MARGIN_PX, Bands
from tileserver.imagery.handles import Shelf
from tileserver.imagery.members_touched import Footprints
from tileserver.imagery.nearest import Nearest
from tileserver.imagery.overviews import Overviews
from tileserver.rasters.ground import GroundSizes
from tileserver.settings.sources import SourceSettings

READING = 6
"""Part of every fingerprint: raised when the same file comes to be read as other pixels."""


@dataclass(frozen=True)
class Layer:
    """One source on one grid: everything that its tiles are drawn from."""

    grid: Grid
    native_zoom: int
    max_zoom: int
    bands: Bands
    extent: Window
    """The pixels with data, on the grid of native_zoom + 1."""
    samples: Samples
    overviews: Overviews | None
    """None where the raster lies on the grid's own pixels: then its overviews do as well."""
    footprints: Footprints
    ground: GroundSizes
    """The sizes of pixels on the ground."""
    nearest: Nearest | None = None
    """What tiles of all zooms are read from where nothing is synthesised, averaged or
    interpolated; None: there is more to be made of it."""
    crosses: bool = False
    """Whether the extent goes on past the grid's last column: its first ones come again there."""

    @property
    def pyramid(self) -> Pyramid:
        """The pictures of the default sample."""
        return self.samples.pyramid(self.samples.sample())

    @property
    def uncertain(self) -> bool:
        """Whether there is an uncertainty: zooms whose pixels are synthesised."""
        return self.nearest is None and self.max_zoom > self.native_zoom

    @property
    def least_zoom(self) -> int:
        """The deepest zoom at which the whole source is no larger than a tile, or nearly so."""
        side = max(self.extent.height, self.extent.width)
        above = ceil(log2(max(1, side / TILE_PX)))
        return max(int(self.grid.tms.minzoom), min(self.native_zoom, self.native_zoom + 1 - above))

    def extent_at(self, zoom: int) -> Window:
        """The pixels of a zoom with data."""
        below = self.native_zoom + 1 - zoom
        return self.extent.parent(2**below) if below >= 0 else self.extent.children(2**-below)

    def touches(self, tile: Tile) -> bool:
        """Whether a tile of any zoom shows ground of the source."""
        window = self.grid.tile_window(tile)
        return any(self._reaches(tile.z, one) for one in self.windows(tile.z, window))

    def windows(self, zoom: int, window: Window) -> list[Window]:
        """Where the source's pictures show the ground of a window of the grid's pixels.

        That window; of a source that crosses 180 degrees the same ground one turn further east,
        or both where the window holds both ends of the world.
        """
        if not self.crosses:
            return [window]
        beyond = replace(window, col=window.col + self.grid.whole(zoom).width)
        return [one for one in (window, beyond) if self._reaches(zoom, one)]

    def _reaches(self, zoom: int, window: Window) -> bool:
        return window.intersection(self.extent_at(zoom)) is not None

    def is_quick(self, zoom: int) -> bool:
        """Whether `read` has few pixels to read for a zoom; GDAL's plain decimation is else."""
        reader = self.nearest or self.overviews
        return reader is not None and reader.quick(zoom)

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """A window of a zoom above native as means of what lies deeper, or of classes of any zoom.

        Values (C, H, W) in the engine's unit, and where they are data (H, W).
        """
        reader = self.nearest or self.overviews
        assert reader is not None
        return reader.read(zoom, window)

    def touched(self, zoom: int, window: Window) -> list[int] | None:
        """The numbers of the members that a window of any zoom was read from; None: any of them."""
        scale = 2 ** max(0, self.native_zoom + 1 - zoom)
        if scale > 2:
            return self.footprints.touched(window.dilated(TILE_PX).children(scale))
        blocks = source_window(self.pyramid.picture(zoom), window).aligned(BLOCK_PX)
        return self.footprints.touched(blocks.dilated(MARGIN_PX))

    def pin(self, picture: Imagery, window: Window) -> Pinned:
        """All that drawing a window of one of the layer's pictures reads of the source.

        Whoever draws it from these pixels waits for no disk and no network. Raises
        SourceUnavailable.
        """
        return self.bands.pin(source_window(picture, window))


class Source:
    """One version of a catalogued raster; its layers are made when a grid is first asked for."""

    def __init__(
        self,
        id: str,
        settings: SourceSettings,
        shelf: Shelf,
        grids: Mapping[str, Grid],
        layer: Callable[[Source, Grid], Layer],
        generation: int = 0,
    ) -> None:
        """generation: the number of this version, which keeps its blocks from those of others."""
        self.id, self.settings, self.shelf = id, settings, shelf
        self.raster, self.generation = shelf.raster, generation
        self._grids, self._make_layer = grids, layer
        self._layers: dict[str, Layer] = {}
        self._lock = Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that decides the source's own pixels."""
        return fingerprint(
            reading=READING,
            raster=self.raster.fingerprint,
            range=self.raster.range,
            nearest=self.raster.nearest,
        )

    @property
    def title(self) -> str:
        """What people call it."""
        return self.settings.title or self.id

    @property
    def memory_section(self) -> tuple[str, str]:
        """What the names of its sections of the block memory begin with."""
        return self.id, str(self.generation)

    def layer(self, grid_id: str) -> Layer:
        """The source on a grid; raises UnknownGrid and UnsupportedGrid."""
        grid = grid_of(self._grids, grid_id)
        with self._lock:
            if grid_id not in self._layers:
                self._layers[grid_id] = self._make_layer(self, grid)
            return self._layers[grid_id]

    def unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether what was read is still this version, by a fresh look at local files.

        members: the numbers of those that were read (Layer.touched); None: all.

        A file overwritten in place shows both versions to whoever reads at that time: what is
        drawn from it may be kept only where this is true after drawing. Of remote files the last
        look counts. Takes no network and raises nothing.
        """
        return self.shelf.unchanged(members)

    def close(self) -> None:
        """Close its handles: resting ones now, the others when they are given back."""
        self.shelf.close()
