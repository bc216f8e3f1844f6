"""Makes blocks of tiles as the server does, into the tiers that outlive a process."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from morecantile import Tile
from rasterio.errors import RasterioError

from cache.key import fingerprint
from engine.errors import EngineError
from engine.pictures.samples import Sample
from tileserver.assembly import open_catalogue, open_tile_service
from tileserver.catalogue.catalogue import Catalogue
from tileserver.errors import (
    CommandError,
    OutsideSource,
    Overloaded,
    OverzoomError,
    RequestError,
    SourceChanged,
    SourceUnavailable,
    StartupError,
)
from tileserver.settings.server import Settings
from tileserver.stores import open_store
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileOptions, TileRequest, resolve_request
from tileserver.tiles.versions import version

TRIES = 8
"""Attempts for a tile whose error asks to retry: the source or the queue may need a while."""
FAULTS = (OverzoomError, EngineError, RasterioError, OSError)
"""Errors that may affect one tile and not the next."""


@dataclass(frozen=True, slots=True)
class TileBlock:
    """Tiles that are queued together and drawn as one window."""

    number: int
    """Of all blocks of a run."""
    tiles: tuple[Tile, ...]
    """Columns past the last one wrap around."""

    def __str__(self) -> str:
        first = self.tiles[0]
        return f"block {self.number}: {len(self.tiles)} tiles from {first.z}/{first.x}/{first.y}"


@dataclass(slots=True)
class Counts:
    """The numbers of tiles by outcome."""

    made: int = 0
    cached: int = 0
    """Tiles that were in the cache already, or that another process made meanwhile."""
    failed: int = 0
    evicted: int = 0
    """Tiles of any source that the disk cache evicted meanwhile."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Writes that failed meanwhile, by the tier's name."""

    def add(self, other: Counts) -> None:
        self.made += other.made
        self.cached += other.cached
        self.failed += other.failed
        self.evicted += other.evicted
        self.dropped += other.dropped


@dataclass(slots=True)
class MadeBlock:
    """What became of a block."""

    number: int
    tiles: int
    counts: Counts = field(default_factory=Counts)
    failures: list[str] = field(default_factory=list)
    """A line a tile that failed."""
    held: bool = False
    """Whether another process holds its lease: nothing was done."""


class TileMaker:
    """Makes blocks of a source's tiles.

    Pickled, it is what it was opened from; where it is unpickled, it is opened again.
    """

    def __init__(
        self, catalogue: Catalogue, source_id: str, grid_id: str, format: ImageFormat
    ) -> None:
        """Raises CommandError for a cache without a tier that outlives the process."""
        # Without memory, which would be lost at the end; puts return after the slowest tier.
        lasting = catalogue.settings.cache.model_copy(update={"memory_bytes": 0})
        self._store = open_store(lasting, behind=False)
        if len(self._store.tiers) < 2:
            raise CommandError("the cache has no disk, Redis or object store tier to fill")
        self.catalogue = catalogue
        self.source_id, self.grid_id, self.format = source_id, grid_id, format
        self._service = open_tile_service(catalogue, self._store, sheds=False)
        self._loop = asyncio.Runner()
        self._counted = Counts()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., TileMaker], tuple[Settings, str, str, ImageFormat, str]]:
        settings = self.catalogue.settings.from_anywhere()
        return _open_again, (settings, self.source_id, self.grid_id, self.format, self._version())

    def __call__(self, block: TileBlock) -> MadeBlock:
        """Make those tiles of a block that are not in the cache."""
        return self._loop.run(self._make_block(block))

    def lease_of(self, block: TileBlock) -> str:
        """The name of a block's lease: the same in all processes that make the same tiles."""
        tiles = fingerprint(
            version=self._version(), grid=self.grid_id, format=self.format, tiles=block.tiles
        )
        return f"prerender/{tiles}"

    def close(self) -> None:
        """Stop drawing, and close the cache."""
        if self._service.cluster is not None:
            self._loop.run(self._service.cluster.close())
        self._loop.close()
        self._service.close()

    async def _make_block(self, block: TileBlock) -> MadeBlock:
        made = MadeBlock(block.number, len(block.tiles))
        if self._service.cluster is None:
            await self._make_tiles(block, made)
            return made
        async with self._service.cluster.leases.held(self.lease_of(block)) as held:
            if held:
                await self._make_tiles(block, made)
        made.held = not held
        return made

    async def _make_tiles(self, block: TileBlock, made: MadeBlock) -> None:
        await asyncio.gather(*(self._make_tile(tile, made) for tile in block.tiles))
        losses, before = self._count_losses(), self._counted
        made.counts.evicted = losses.evicted - before.evicted
        made.counts.dropped = losses.dropped - before.dropped
        self._counted = losses

    async def _make_tile(self, tile: Tile, made: MadeBlock) -> None:
        catalogue, options = self.catalogue, TileOptions(format=self.format)
        matrix = catalogue.grids[self.grid_id].tms.matrix(tile.z)
        tile = tile._replace(x=tile.x % int(matrix.matrixWidth))
        try:
            asked = AskedTile(
                source_id=self.source_id, grid_id=self.grid_id, tile=tile, options=options
            )
            await self._find_or_make(resolve_request(catalogue, asked), made.counts)
        except OutsideSource:
            pass  # an edge tile that the source does not reach
        except FAULTS as error:
            made.counts.failed += 1
            made.failures.append(f"{self.source_id}/{tile.z}/{tile.x}/{tile.y}: {error}")

    async def _find_or_make(self, request: TileRequest, counts: Counts) -> None:
        for tries_left in reversed(range(TRIES)):
            key = tile_key(self.catalogue, request)
            if await asyncio.to_thread(self._store.complete, key.path):
                counts.cached += 1
                return
            try:
                tile = await self._service.render(request, key)
                break
            except RequestError as error:
                if error.retry_after_seconds is None or not tries_left:
                    raise
                request = await self._wait_to_retry(request, error)
        if tile.tier is not None:  # another process made it since we looked
            counts.cached += 1
            return
        if not await asyncio.to_thread(self._store.has, key.path):
            raise CommandError("made, but no cache tier stored it")
        counts.made += 1

    async def _wait_to_retry(self, request: TileRequest, error: RequestError) -> TileRequest:
        """The tile to try next: of the next version of a source whose files were replaced."""
        if isinstance(error, SourceChanged):
            # Where there is none yet, the same is tried again after a pause.
            with suppress(TimeoutError, SourceUnavailable, Overloaded):
                async with asyncio.timeout(self.catalogue.settings.deadline_seconds):
                    return await self._service.wait_for_next_version(request)
        await asyncio.sleep(error.retry_after_seconds or 0.0)
        return resolve_request(self.catalogue, request.asked)

    def _count_losses(self) -> Counts:
        """What the tiers have evicted and dropped since they were opened."""
        tiers = self._store.tiers
        return Counts(
            evicted=sum(int(getattr(tier, "evicted", 0)) for tier in tiers),
            dropped=Counter({tier.name: tier.dropped for tier in tiers}),
        )

    def _version(self) -> str:
        """Everything that decides the tiles' pixels, as one digest."""
        catalogue = self.catalogue
        source = catalogue[self.source_id]
        sample = Sample(
            catalogue.settings.noise_seed, catalogue.settings.detail_of(source.settings)
        )
        return version(catalogue, source, sample)


def _open_again(
    settings: Settings, source_id: str, grid_id: str, format: ImageFormat, made_of: str
) -> TileMaker:
    """The same maker in another process; raises StartupError where it would make other tiles."""
    alone = settings.model_copy(update={"sources": {source_id: settings.sources[source_id]}})
    maker = TileMaker(open_catalogue(alone), source_id, grid_id, format)
    if maker._version() != made_of:
        raise StartupError(
            f"{source_id}: {platform.node()} would make other tiles than the machine that started "
            "the run: the files, the checkpoints or the versions differ"
        )
    return maker
