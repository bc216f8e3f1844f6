"""The path of a checked map: its tiles, from the cache or drawn, put together and encoded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.window import Window
from tileserver.rasters.raster import Raster
from tileserver.tiles.encoding import encode, encode_values
from tileserver.tiles.key import tile_key
from tileserver.tiles.levels import default_indexes, shows_classes, shows_levels
from tileserver.tiles.maps.mosaic import Picture, clear, compose, flatten
from tileserver.tiles.maps.request import (
    MAX_BYTES,
    AskedMap,
    MapRequest,
    PlacedTile,
    measure_empty,
)
from tileserver.tiles.service import TileService

THREADS = 2
"""Maps put together at a time; it leaves the interpreter's lock for the most part."""


class MapService:
    """Maps made from a service's tiles."""

    def __init__(self, tiles: TileService) -> None:
        self.tiles = tiles
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="map")
        self._memory = SharedMemory(MAX_BYTES)

    async def draw(self, request: MapRequest) -> DrawnMap:
        """The map; its caller releases it. Raises Overloaded and SourceUnavailable."""
        async with self._memory.hold(request.size_bytes) as share:
            found = await self._find_tiles(request.tiles)
            contents = [(window, content) for window, content, _ in found]
            made = await self._run(_make, request, contents)
            share.keep(len(made))
        tiers = [tier for *_, tier in found]
        return DrawnMap(made, None if None in tiers else tiers[-1], share)

    async def draw_nothing(self, asked: AskedMap) -> DrawnMap:
        """The map that shows nothing of its source; its caller releases it.

        Raises UnknownSource, OutOfRange for a map that is too large.
        """
        raster = self.tiles.catalogue[asked.source_id].raster
        async with self._memory.hold(measure_empty(asked, raster)) as share:
            made = await self._run(_make_empty, asked, raster)
            share.keep(len(made))
        return DrawnMap(made, None, share)

    def close(self) -> None:
        """Wait for the maps that are being put together."""
        self._threads.shutdown()

    async def _run(self, make: Callable[..., bytes], *arguments: Any) -> bytes:
        """What a function makes in a thread; who is cancelled leaves once the thread has ended.

        Until then it takes the memory that its caller holds.
        """
        making = self._threads.submit(make, *arguments)
        ending = asyncio.wrap_future(making)
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            if not making.cancel():
                await asyncio.wait((ending,))
            raise

    async def _find_tiles(self, placed: list[PlacedTile]) -> list[tuple[Window, bytes, str | None]]:
        """The encoded tiles, with their windows and tiers; only some wait to be drawn at a time.

        All at once, they would take the queue's room from other clients, and from each other.
        """
        catalogue, metrics = self.tiles.catalogue, self.tiles.metrics
        turns = asyncio.Semaphore(catalogue.settings.merged_tiles)

        async def find(one: PlacedTile) -> tuple[Window, bytes, str | None]:
            async with turns:
                tile = await self.tiles.render(one.request, tile_key(catalogue, one.request))
            metrics.count_lookup(tile.tier)
            return one.window, tile.content, tile.tier

        tasks = [asyncio.create_task(find(one)) for one in placed]
        try:
            return await asyncio.gather(*tasks)
        finally:  # where one fails the others are of no use
            for task in tasks:
                task.cancel()


@dataclass(frozen=True, slots=True)
class DrawnMap:
    """An encoded map, which holds its share of the memory until it is released."""

    content: bytes
    tier: str | None
    """The last cache tier that its tiles came from; None if any is new."""
    share: Share

    def release(self) -> None:
        """To be called when it has been sent, or is not sent."""
        self.share.release()


class SharedMemory:
    """Bytes that maps hold at a time; those that find too few wait, the first one first."""

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = self._most_bytes = most_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, wanted_bytes: int) -> AsyncIterator[Share]:
        """So many bytes, or all where that is more; until the block ends, but for what is kept."""
        taken_bytes = min(wanted_bytes, self._most_bytes)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((taken_bytes, turn))
        self._grant()
        share = Share(self)
        try:
            await turn
            yield share
        except BaseException:  # whatever it is, nobody keeps anything; it is raised again
            share.kept_bytes = 0
            raise
        finally:
            if turn.done() and not turn.cancelled():
                share.kept_bytes = min(share.kept_bytes, taken_bytes)
                self._left_bytes += taken_bytes - share.kept_bytes
            self._waiting = deque(each for each in self._waiting if each[1] is not turn)
            self._grant()

    def give_back(self, freed_bytes: int) -> None:
        """Bytes that a share kept are free again."""
        self._left_bytes += freed_bytes
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left_bytes:
            taken_bytes, turn = self._waiting.popleft()
            if not turn.done():
                self._left_bytes -= taken_bytes
                turn.set_result(None)


@dataclass(slots=True)
class Share:
    """What one map holds of the memory."""

    memory: SharedMemory
    kept_bytes: int = 0

    def keep(self, kept_bytes: int) -> None:
        """Hold so many of the bytes when the block ends, until release."""
        self.kept_bytes = kept_bytes

    def release(self) -> None:
        """Hold nothing any more."""
        freed_bytes, self.kept_bytes = self.kept_bytes, 0
        self.memory.give_back(freed_bytes)


def _make(request: MapRequest, tiles: list[tuple[Window, bytes]]) -> bytes:
    """In a thread: the encoded map."""
    return _encode(request, compose(request, tiles))


def _encode(request: MapRequest, picture: Picture) -> bytes:
    format, raster = request.options.format, request.source.raster
    if format.holds_values:
        area = request.area
        return encode_values(*picture, format, area.system.crs, area.transform, request.tags)
    if request.asked.background is not None:
        picture = flatten(picture, request.asked.background)
    return encode(*picture, format, lossless=shows_classes(raster, request.options.rendering))


def _make_empty(asked: AskedMap, raster: Raster) -> bytes:
    """In a thread: the encoded map of nothing, of the bands and the type of one that shows it."""
    format, rendering, area = asked.options.format, asked.options.rendering, asked.area
    if format.holds_values:
        indexes, dtype = rendering.indexes or raster.indexes, raster.dtype
        if shows_levels(rendering):
            indexes, dtype = rendering.indexes or default_indexes(raster), "uint8"
        nothing = clear(area, len(indexes), dtype)
        return encode_values(*nothing, format, area.system.crs, area.transform)
    picture = clear(area)
    if asked.background is not None:
        picture = flatten(picture, asked.background)
    return encode(*picture, format)
