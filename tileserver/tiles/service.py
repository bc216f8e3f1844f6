"""The path of a checked tile: key -> store -> single flight -> draw -> encode -> store.

Where the store has no tile in a format but a lossless form of it, that is encoded and nothing is
drawn.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from cache import ClusterFlight, SingleFlight, Tiered, TileKey
from engine.imagery import Pixels
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.catalogue.stored_pixel import StoredPixel, read_stored_pixel
from tileserver.errors import SourceChanged, SourceUnavailable
from tileserver.metrics import Metrics
from tileserver.tiles.clock import Clock
from tileserver.tiles.drawing import TileDrawer
from tileserver.tiles.readers import Readers
from tileserver.tiles.rendering import Mask
from tileserver.tiles.request import TileRequest, resolve_request
from tileserver.tiles.scheduler import Scheduler
from tileserver.tiles.tile_store import TileStore

MAX_READS = 512
"""Reads of one source that may wait; a read of the demo scene takes 10 ms."""
CHECK_THREADS = 8
"""Threads that check whether what was read is still there, of all sources."""
CHANGE_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class EncodedTile:
    """A tile's bytes and where its time went, in milliseconds by stage."""

    content: bytes
    tier: str | None
    """The cache tier that had it; None where it was made for this request."""
    milliseconds: dict[str, float] = field(default_factory=dict)


class TileService:
    """Tiles of a catalogue, cached, each made once however many ask for it at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Tiered,
        scheduler: Scheduler,
        *,
        cluster: ClusterFlight | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """cluster: where other processes share a tier of the store."""
        self.catalogue, self.store, self.scheduler = catalogue, store, scheduler
        self.cluster, self.metrics = cluster, metrics or Metrics()
        self.flights: SingleFlight[EncodedTile] = SingleFlight()
        hang_seconds = catalogue.settings.deadline_seconds
        self._readers = Readers(MAX_READS, hang_seconds)
        # Apart, so that a tile that is drawn does not wait for the reads of those that are not.
        self._checks = Readers(MAX_READS, hang_seconds, threads=CHECK_THREADS)
        self._drawer = TileDrawer(self._readers, scheduler)
        self._tile_store = TileStore(store, self.metrics)

    def get_fast(self, key: TileKey) -> EncodedTile | None:
        """The tile where it lies in memory: cheap enough for an event loop."""
        content = self.store.get_fast(key.path)
        return None if content is None else EncodedTile(content, self.store.tiers[0].name)

    async def render(self, request: TileRequest, key: TileKey) -> EncodedTile:
        """The tile of a request and its key; raises Overloaded where too many wait."""
        found = self.get_fast(key)
        if found is not None:
            return found
        # A flight a version: a touched file's next one has the same key, but does not fail with it.
        flight = f"{request.source.generation}/{key.path}"
        return await self.flights.run(flight, lambda: self._find_or_make(request, key))

    async def draw_values(self, request: TileRequest) -> tuple[Pixels, Mask]:
        """A tile's values (C, H, W), native or deeper, and where they are data (H, W).

        1 is the whole range of the source. Raises Overloaded and SourceUnavailable.
        """
        return await self._drawer.draw(request, Clock())

    async def read_stored_pixel(self, source: Source, lon: float, lat: float) -> StoredPixel | None:
        """The file's own pixel at a place; raises Overloaded and SourceUnavailable."""
        return await self._readers.run(source.id, read_stored_pixel, source, lon, lat)

    async def check_unchanged(self, request: TileRequest) -> None:
        """Raises SourceChanged where what was read for a tile may be of two versions.

        Raises SourceUnavailable and Overloaded where it cannot be checked.
        """
        if not await self._checks.run(request.source.id, request.is_unchanged):
            raise SourceChanged from OSError("its files have changed since they were read")

    async def wait_for_next_version(self, request: TileRequest) -> TileRequest:
        """The same tile of the source's next version, as soon as there is one.

        Of the same version where its files are unchanged: a network drive may fail for an instant.
        Raises SourceUnavailable where they cannot be read, Overloaded where they cannot be checked.
        """
        id = request.source.id
        if not request.source.raster.origin.remote:
            await self._checks.run(id, self.catalogue.poll, id)
        while self.catalogue[id] is request.source:
            failure = self.catalogue.failure(id)
            if failure is not None:
                raise SourceUnavailable from failure
            if await self._checks.run(id, request.is_unchanged):
                break
            await asyncio.sleep(CHANGE_POLL_SECONDS)
        return resolve_request(self.catalogue, request.asked)

    @property
    def slow_reads(self) -> int:
        """Reads of sources that have been under way for long: they may hang."""
        return self._readers.slow + self._checks.slow

    def close(self) -> None:
        """Stop drawing and reading, and close the store once what was encoded is there."""
        self.scheduler.close()
        self._readers.close()
        self._checks.close()
        self._tile_store.close()

    async def _find_or_make(self, request: TileRequest, key: TileKey) -> EncodedTile:
        """The tile from the store's slower tiers, or made here or by another process."""
        clock = Clock()

        async def find() -> EncodedTile | None:
            found = await self._tile_store.find(request, key, clock)
            return found and EncodedTile(found.value, found.tier, clock.milliseconds)

        async def make() -> EncodedTile:
            pixels = await self._drawer.draw(request, clock)
            await self.check_unchanged(request)
            content = await self._tile_store.encode_and_put(request, pixels, key.path, clock)
            return EncodedTile(content, None, clock.milliseconds)

        found = await find()
        if found is None and self.cluster is not None:
            return await self.cluster.run(key.path, find, make)
        return found or await make()
