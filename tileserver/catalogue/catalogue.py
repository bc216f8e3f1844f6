"""Sources by id, each as its files are now; no path or URL of a request reaches GDAL.

    settings -> locating -> raster (one version) -> Source -> Layer (layers), one a grid

A source whose files change is replaced by another one (watch), with handles, layers and
remembered blocks of its own; whoever holds the old one ends with it.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass

from morecantile.defaults import TileMatrixSets

from cache.key import fingerprint
from engine.imagery import BlockMemo
from engine.network.checkpoint import Checkpoint
from engine.pictures.pyramid import Pyramid
from engine.pictures.samples import Sample, Samples
from tileserver.catalogue.layers import Layer, Source
from tileserver.catalogue.probing import windows_agree
from tileserver.catalogue.watch import Tracked, Watch
from tileserver.errors import StartupError, UnknownSource
from tileserver.grid import Grid, doubling_grids
from tileserver.imagery.aligned import AlignedSource, window_on_grid
from tileserver.imagery.bands import Bands, GridSource
from tileserver.imagery.block_memory import BlockMemory
from tileserver.imagery.handles import Handles
from tileserver.imagery.members_touched import Footprints
from tileserver.imagery.nearest import Nearest
from tileserver.imagery.overviews import Overviews
from tileserver.origins.origin import in_threads
from tileserver.rasters.band_roles import BandRoles
from tileserver.rasters.footprint import crosses, native_zoom
from tileserver.rasters.ground import ground_sizes
from tileserver.rasters.locating import locate
from tileserver.rasters.raster import Raster, inspected
from tileserver.rasters.value_range import RangeOrigin
from tileserver.settings.server import Settings, SourceSettings, is_remote_address

logger = logging.getLogger(__name__)

ABSENT_SECONDS = 10.0
"""Between looks for a source that could not be read yet, where sources are not watched."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A configured source that could not be read since the start."""

    id: str
    settings: SourceSettings
    failure: Exception | None = None
    """Why the last look at it found nothing to read."""


class Opener:
    """Makes sources: the checkpoint, the memory and the handles that all of them share."""

    def __init__(self, settings: Settings, checkpoint: Checkpoint, grids: TileMatrixSets) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.grids = doubling_grids(grids)
        self.memory = BlockMemory(settings.block_memory_bytes)
        self.handles = Handles(settings.open_handles)
        folder = settings.cache.disk_folder() if settings.cache.disk_bytes else None
        self._canonical = not windows_agree(checkpoint, settings.sampler(), settings.device, folder)
        if self._canonical:
            logger.warning("windows of different shape differ on this device: drawing by blocks")

    def tracked(self, id: str, settings: SourceSettings, hosts: frozenset[str]) -> Tracked[Source]:
        """A source and its later versions, or the failure to open it.

        hosts: remote hosts and buckets that it may be read from.
        """

        def inspect() -> Raster:
            roles = BandRoles(settings.bands, settings.nodata, settings.alpha)
            return inspected(
                locate(settings, hosts),
                settings.range,
                crs=settings.crs,
                roles=roles,
                nearest=settings.nearest,
            )

        def make(raster: Raster, generation: int) -> Source:
            _log_range(id, raster)
            if generation > 0:
                self.memory.forget((id, str(generation - 1)))
            shelf = self.handles.of(raster, changed, alone)
            return Source(id, settings, shelf, self.grids, self._layer, generation)

        def alone() -> bool:
            return self.check_seconds(tracked) == 0

        def changed() -> None:
            if alone() and not tracked.current.raster.origin.remote:
                tracked.look()

        tracked = Tracked(id, inspect, make)
        return tracked

    def check_seconds(self, tracked: Tracked[Source]) -> float:
        """Seconds between looks for a change of its files; 0: only who reads it looks."""
        settings = self.settings
        if tracked.item is None:  # which nobody can read
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
            GridSource(source.shelf, grid, native + 1)
            if place is None
            else AlignedSource(source.shelf, place)
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
            Overviews(source.shelf, grid, native) if averaged else None,
            Footprints(raster, grid, native + 1),
            ground_sizes(raster, grid, native),
            Nearest(source.shelf, grid, native) if raster.nearest else None,
            place is None and crosses(raster, grid),
        )


def _log_range(id: str, raster: Raster) -> None:
    if raster.range_origin is not RangeOrigin.TYPE:
        logger.info(
            "%s: values from %g to %g are shown black to white (%s)",
            id, *raster.range, raster.range_origin,
        )  # fmt: skip


class Catalogue:
    """All sources of a server, followed through the versions of their files."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        grids: TileMatrixSets,
        *,
        every: bool = True,
    ) -> None:
        """Raises StartupError for the first source that cannot be served.

        every: whether each must open; else any does, and the others are tried again.
        """
        self.settings, self.checkpoint = settings, checkpoint
        self._opener = Opener(settings, checkpoint, grids)
        self.grids = self._opener.grids
        self._fingerprints: dict[Sample, str] = {}
        opened = in_threads(
            lambda name: self._opener.tracked(name, settings.sources[name], settings.remote_hosts),
            list(settings.sources),
        )
        self._tracked = dict(zip(settings.sources, opened, strict=True))
        self._check_opened(every)
        self._watch = Watch([*self._tracked.values()], self._opener.check_seconds)
        weakref.finalize(self, self._watch.close)

    @property
    def picture_fingerprint(self) -> str:
        """Digest of all that decides the pixels of the default sample, the source apart."""
        return self.fingerprint_of(Sample(self.settings.noise_seed, self.settings.detail))

    def fingerprint_of(self, sample: Sample) -> str:
        """Digest of all that decides a sample's super-resolved pixels, the source apart."""
        found = self._fingerprints.get(sample)
        if found is None:
            # Kinds of device round differently; whether they also draw differently is not assumed.
            kind = self.settings.device.partition(":")[0]
            found = fingerprint(
                checkpoint=self.checkpoint.fingerprint,
                sampler=self.settings.sampler(*sample),
                device=kind,
            )
            self._fingerprints[sample] = found
        return found

    def _check_opened(self, every: bool) -> None:
        missing = [each for each in self._tracked.values() if each.failure is not None]
        if missing and (every or len(missing) == len(self._tracked)):
            failure = missing[0].failure
            raise StartupError(str(failure)) from failure
        for each in missing:
            logger.error("%s: cannot be read at present (%s)", each.name, each.failure)

    @property
    def handles(self) -> Handles:
        """The open handles of all sources."""
        return self._opener.handles

    @property
    def slow_looks(self) -> int:
        """Looks for changes that have been under way for long: they may hang."""
        return self._watch.slow

    def __getitem__(self, id: str) -> Source:
        """The source as it is now, or as it was last read; takes no time.

        Raises UnknownSource, and SourceUnavailable where it could not be read since the start.
        """
        try:
            return self._tracked[id].current
        except KeyError:
            raise UnknownSource from None

    def failure(self, id: str) -> Exception | None:
        """Why the last look at a source found nothing to read, if it did not."""
        return self._tracked[id].failure

    def look(self, id: str) -> None:
        """Look at a source now, unless somebody does."""
        self._tracked[id].look()

    def sources(self) -> list[Source]:
        """All that were ever read, in the order of the configuration."""
        return [each.item for each in self._tracked.values() if each.item is not None]

    def configured(self) -> list[Source | Absent]:
        """All of them, in the order of the configuration."""
        settings = self.settings.sources
        return [
            each.item or Absent(id, settings[id], each.failure)
            for id, each in self._tracked.items()
        ]

    def close(self) -> None:
        """Look for changes no more, and close the handles that nobody uses."""
        self._watch.close()
        for source in self.sources():
            source.close()
