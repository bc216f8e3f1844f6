"""Sources by id: opened once at start-up, so that no path or URL of a request reaches GDAL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from morecantile import Tile
from morecantile.defaults import TileMatrixSets

from cache.key import fingerprint
from engine.checkpoint import Checkpoint
from engine.imagery import BlockMemo
from engine.probe import windows_agree
from engine.pyramid import Pyramid
from engine.window import Window
from tileserver.errors import UnknownSource, UnsupportedGrid
from tileserver.grid import Grid, doubling_grids
from tileserver.memo import BlockMemory
from tileserver.raster import Raster, inspect
from tileserver.settings import Settings, SourceSettings
from tileserver.source import Bands, GridSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layer:
    """One source on one grid: everything that its tiles are drawn from."""

    grid: Grid
    native_zoom: int
    max_zoom: int
    bands: Bands
    extent: Window
    """The pixels with data, on the grid of native_zoom + 1."""
    pyramid: Pyramid

    def touches(self, tile: Tile) -> bool:
        """Whether a tile of any zoom shows ground of the source."""
        window, below = self.grid.tile_window(tile), self.native_zoom + 1 - tile.z
        if below >= 0:
            return window.children(2**below).intersection(self.extent) is not None
        return window.parent(2**-below).intersection(self.extent) is not None


class Source:
    """A raster in the catalogue; its layers are made when a grid is first asked for."""

    def __init__(
        self,
        id: str,
        settings: SourceSettings,
        raster: Raster,
        grids: Mapping[str, Grid],
        layer: Callable[[Source, Grid], Layer],
    ) -> None:
        self.id, self.settings, self.raster = id, settings, raster
        self._grids, self._make_layer = grids, layer
        self._layers: dict[str, Layer] = {}
        self._lock = Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that decides the source's own pixels."""
        return fingerprint(self.raster.fingerprint, self.raster.range)

    def layer(self, grid_id: str) -> Layer:
        """The source on a grid; raises UnsupportedGrid."""
        if grid_id not in self._grids:
            raise UnsupportedGrid
        with self._lock:
            if grid_id not in self._layers:
                self._layers[grid_id] = self._make_layer(self, self._grids[grid_id])
            return self._layers[grid_id]


class Catalogue:
    """All sources of a server."""

    def __init__(self, settings: Settings, checkpoint: Checkpoint, grids: TileMatrixSets) -> None:
        """Opens every source; raises StartupError for the first that cannot be served."""
        self.settings, self.checkpoint = settings, checkpoint
        self.grids = doubling_grids(grids)
        self._memory = BlockMemory(settings.block_memory_bytes)
        self._canonical = not windows_agree(checkpoint, settings.sampler(), settings.device)
        if self._canonical:
            logger.warning("windows of different shape differ on this device: drawing by blocks")
        self._sources = {
            id: Source(id, source, inspect(source.path, source.range), self.grids, self._layer)
            for id, source in settings.sources.items()
        }

    @cached_property
    def picture_fingerprint(self) -> str:
        """Digest of all that decides super-resolved pixels, the source apart."""
        # Kinds of device round differently; whether they also draw differently is not assumed.
        kind = self.settings.device.partition(":")[0]
        return fingerprint(self.checkpoint.fingerprint, self.settings.sampler(), kind)

    def __getitem__(self, id: str) -> Source:
        try:
            return self._sources[id]
        except KeyError:
            raise UnknownSource from None

    def sources(self) -> list[Source]:
        return list(self._sources.values())

    def _layer(self, source: Source, grid: Grid) -> Layer:
        raster, settings = source.raster, self.settings
        native = grid.native_zoom(raster.crs, raster.width, raster.height, raster.bounds)
        deepest = max(native, min(native + settings.extra_zooms, int(grid.tms.maxzoom)))
        base = GridSource(raster, grid, native + 1)

        def memo(name: str) -> BlockMemo:
            return self._memory.section((source.id, grid.id, name))

        bands = Bands(base, memo("source"))
        pyramid = Pyramid(
            bands,
            len(raster.indexes),
            native,
            deepest,
            self.checkpoint,
            settings.sampler(),
            lambda zoom: memo(f"zoom {zoom}"),
            settings.device,
            canonical=self._canonical,
        )
        return Layer(grid, native, deepest, bands, base.extent, pyramid)
