"""How sources are made: a raster that was inspected, and the layers that are drawn from it."""

from __future__ import annotations

import logging
from functools import partial

from morecantile.defaults import TileMatrixSets

from engine.imagery import BlockMemo
from engine.network.checkpoint import Checkpoint
from engine.pictures.pyramid import Pyramid
from engine.pictures.samples import Sample, Samples
from tileserver.catalogue.layers import Layer, Source
from tileserver.catalogue.probing import windows_agree
from tileserver.catalogue.watch import Tracked
from tileserver.grid import Grid, doubling_grids
from tileserver.imagery.aligned import AlignedSource, window_on_grid
from tileserver.imagery.bands import Bands, GridSource
from tileserver.imagery.block_memory import BlockMemory
from tileserver.imagery.handles import HandlePool
from tileserver.imagery.mosaic_members import MosaicMembers
from tileserver.imagery.nearest import Nearest
from tileserver.imagery.overviews import Overviews
from tileserver.rasters.footprint import crosses, native_zoom
from tileserver.rasters.ground import ground_sizes
from tileserver.rasters.locating import inspect_source
from tileserver.rasters.raster import Raster
from tileserver.rasters.value_range import RangeOrigin
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings, is_remote_address

logger = logging.getLogger(__name__)

ABSENT_SECONDS = 10.0
"""Between polls of a source that could not be read yet, if `source_check_seconds` is 0."""


class Opener:
    """Makes sources; owns the checkpoint, block memory and handle pool that they share."""

    def __init__(self, settings: Settings, checkpoint: Checkpoint, grids: TileMatrixSets) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.grids = doubling_grids(grids)
        self.memory = BlockMemory(settings.block_memory_bytes)
        self.handle_pool = HandlePool(settings.open_handles)
        folder = settings.cache.disk_folder() if settings.cache.disk_bytes else None
        self._canonical = not windows_agree(checkpoint, settings.sampler(), settings.device, folder)
        if self._canonical:
            logger.warning(
                "results depend on the window's shape on this device: drawing fixed blocks"
            )

    def track(self, id: str, settings: SourceSettings, hosts: frozenset[str]) -> Tracked[Source]:
        """A source that follows the versions of its files, or the failure to open it.

        hosts: remote hosts and buckets that it may be read from.
        """

        def make(raster: Raster, generation: int) -> Source:
            _log_range(id, raster)
            if generation > 0:
                self.memory.forget((id, str(generation - 1)))
            handles = self.handle_pool.of(raster, on_change, unwatched)
            return Source(id, settings, handles, self.grids, self._layer, generation)

        def unwatched() -> bool:
            return self.check_seconds(tracked) == 0

        def on_change() -> None:
            if unwatched() and not tracked.current.raster.origin.remote:
                tracked.poll()

        tracked = Tracked(id, partial(inspect_source, settings, hosts), make)
        return tracked

    def check_seconds(self, tracked: Tracked[Source]) -> float:
        """Seconds between polls of its files; 0: they are checked only when read."""
        settings = self.settings
        if tracked.item is None:  # it has never been readable
            remote, least = (
                is_remote_address(settings.sources[tracked.name].path or ""),
                ABSENT_SECONDS,
            )
        else:
            remote, least = tracked.item.raster.origin.remote, 0.0
        seconds = settings.remote_check_seconds if remote else settings.source_check_seconds
        return seconds or least

    def _layer(self, source: Source, grid: Grid) -> Layer:
        raster, settings = source.raster, self.settings
        native = native_zoom(raster, grid)
        deepest = max(native, min(native + settings.extra_zooms, int(grid.tms.maxzoom)))
        place = window_on_grid(raster, grid, native)
        base = (
            GridSource(source.handles, grid, native + 1)
            if place is None
            else AlignedSource(source.handles, place)
        )

        def memo(name: str) -> BlockMemo:
            return self.memory.section((*source.memory_section, grid.id, name))

        bands = Bands(base, memo("source"))

        def pyramid(sample: Sample) -> Pyramid:
            return Pyramid(
                bands,
                len(raster.indexes),
                native,
                deepest,
                self.checkpoint,
                settings.sampler(*sample),
                lambda name: memo(
                    f"noise seed {sample.noise_seed}, detail {sample.detail}, {name}"
                ),
                settings.device,
                canonical=self._canonical,
                limits=raster.limits,
            )

        samples = Samples(settings.noise_seeds, settings.detail_of(source.settings), pyramid)
        averaged = place is None and not raster.nearest
        return Layer(
            grid,
            native,
            deepest,
            bands,
            base.extent,
            samples,
            Overviews(source.handles, grid, native) if averaged else None,
            MosaicMembers(raster, grid, native + 1),
            ground_sizes(raster, grid, native),
            Nearest(source.handles, grid, native) if raster.nearest else None,
            place is None and crosses(raster, grid),
        )


def _log_range(id: str, raster: Raster) -> None:
    if raster.range_origin is not RangeOrigin.TYPE:
        logger.info(
            "%s: values from %g to %g are shown black to white (%s)",
            id, *raster.range, raster.range_origin,
        )  # fmt: skip
