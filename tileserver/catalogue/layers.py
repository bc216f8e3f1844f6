"""One version of a source, and what its tiles are drawn from on each grid."""

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
from tileserver.imagery.handles import RasterHandles
from tileserver.imagery.mosaic_members import MosaicMembers
from tileserver.imagery.nearest import Nearest
from tileserver.imagery.overviews import Overviews
from tileserver.rasters.ground import GroundSizes
from tileserver.settings.sources import SourceSettings

READING = 8
"""Part of every fingerprint: raised when a change of the code reads other pixels from a file."""


@dataclass(frozen=True)
class Layer:
    """One source on one grid: everything that its tiles are drawn from; immutable."""

    grid: Grid
    native_zoom: int
    max_zoom: int
    bands: Bands
    extent: Window
    """The pixels with data, on the grid of native_zoom + 1."""
    samples: Samples
    overviews: Overviews | None
    """None if the raster's pixels are the grid's own: then its overviews' are, too."""
    members: MosaicMembers
    ground: GroundSizes
    """The sizes of pixels on the ground."""
    nearest: Nearest | None = None
    """The reader of all zooms of a source of classes, shown by nearest neighbour; None for any
    other source."""
    crosses: bool = False
    """Whether the extent continues past the grid's last column, across 180 degrees."""

    @property
    def pyramid(self) -> Pyramid:
        """The pictures of the default sample."""
        return self.samples.pyramid(self.samples.sample())

    @property
    def uncertain(self) -> bool:
        """Whether it has an uncertainty: some zooms are synthesised."""
        return self.nearest is None and self.max_zoom > self.native_zoom

    @property
    def least_zoom(self) -> int:
        """The deepest zoom at which the whole source is about one tile in size, or smaller."""
        side = max(self.extent.height, self.extent.width)
        above = ceil(log2(max(1, side / TILE_PX)))
        return max(int(self.grid.tms.minzoom), min(self.native_zoom, self.native_zoom + 1 - above))

    def extent_at(self, zoom: int) -> Window:
        """The pixels of a zoom with data."""
        below = self.native_zoom + 1 - zoom
        return self.extent.parent(2**below) if below >= 0 else self.extent.children(2**-below)

    def touches(self, tile: Tile) -> bool:
        """Whether a tile of any zoom contains data of the source."""
        window = self.grid.tile_window(tile)
        return any(self._reaches(tile.z, one) for one in self.windows(tile.z, window))

    def windows(self, zoom: int, window: Window) -> list[Window]:
        """The windows of the source's pictures that show the ground of a window of the grid.

        The window itself; for a source that crosses 180 degrees the same ground one turn further
        east, or both if the window contains both ends of the world.
        """
        if not self.crosses:
            return [window]
        beyond = replace(window, col=window.col + self.grid.whole(zoom).width)
        return [one for one in (window, beyond) if self._reaches(zoom, one)]

    def _reaches(self, zoom: int, window: Window) -> bool:
        return window.intersection(self.extent_at(zoom)) is not None

    def is_quick(self, zoom: int) -> bool:
        """Whether `read` is fast at a zoom; otherwise GDAL's plain decimation is faster."""
        reader = self.nearest or self.overviews
        return reader is not None and reader.quick(zoom)

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """A window of a zoom above native, as means of a deeper zoom; of classes, of any zoom.

        Returns values (C, H, W) in the engine's unit, and their validity (H, W).
        """
        reader = self.nearest or self.overviews
        assert reader is not None
        return reader.read(zoom, window)

    def find_members(self, zoom: int, window: Window) -> list[int] | None:
        """The numbers of the members that a window of any zoom is read from; None: any of them."""
        scale = 2 ** max(0, self.native_zoom + 1 - zoom)
        if scale > 2:
            return self.members.find_members(window.dilated(TILE_PX).children(scale))
        blocks = source_window(self.pyramid.picture(zoom), window).aligned(BLOCK_PX)
        return self.members.find_members(blocks.dilated(MARGIN_PX))

    def pin(self, picture: Imagery, window: Window) -> Pinned:
        """Read all source pixels that drawing a window of one of the layer's pictures needs.

        Drawing from the result does no I/O. Raises SourceUnavailable.
        """
        return self.bands.pin(source_window(picture, window))


class Source:
    """One version of a raster of the catalogue; a layer is made when its grid is first used."""

    def __init__(
        self,
        id: str,
        settings: SourceSettings,
        handles: RasterHandles,
        grids: Mapping[str, Grid],
        layer: Callable[[Source, Grid], Layer],
        generation: int = 0,
    ) -> None:
        """generation: the number of this version; separates its cached blocks from others'."""
        self.id, self.settings, self.handles = id, settings, handles
        self.raster, self.generation = handles.raster, generation
        self._grids, self._make_layer = grids, layer
        self._layers: dict[str, Layer] = {}
        self._lock = Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that decides the source's own pixels."""
        return fingerprint(
            reading=READING,
            raster=self.raster.fingerprint,
            range=self.raster.range,
            nearest=self.raster.nearest,
        )

    @property
    def title(self) -> str:
        """The display name."""
        return self.settings.title or self.id

    @property
    def memory_section(self) -> tuple[str, str]:
        """The prefix of its sections in the block memory."""
        return self.id, str(self.generation)

    def layer(self, grid_id: str) -> Layer:
        """The source on a grid; raises UnknownGrid and UnsupportedGrid."""
        grid = grid_of(self._grids, grid_id)
        with self._lock:
            if grid_id not in self._layers:
                self._layers[grid_id] = self._make_layer(self, grid)
            return self._layers[grid_id]

    def is_unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether what was read is this version, by current signatures of local files.

        members: the numbers of those that were read (Layer.find_members); None: all.

        A read during an overwrite in place may mix two versions: what is drawn from it may be
        stored only if this is true after drawing. For remote files the last poll counts. Does no
        network I/O and raises nothing.
        """
        return self.handles.is_unchanged(members)

    def close(self) -> None:
        """Close its handles: idle ones now, the others when they are released."""
        self.handles.close()
