"""Encoded tiles in the cache's tiers, reached from the event loop by threads of their own."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cache import Found, Tiered, TileKey
from engine.imagery import Pixels
from tileserver.metrics import Metrics
from tileserver.tiles.clock import Clock
from tileserver.tiles.deviation import render_deviation, render_deviation_values
from tileserver.tiles.encoding import ImageFormat, Opacity, decode, encode, encode_values
from tileserver.tiles.levels import render_levels, render_values, shows_classes
from tileserver.tiles.rendering import Mask
from tileserver.tiles.request import Mode, TileRequest
from tileserver.tiles.tags import tile_tags

ENCODER_THREADS = 2
"""PNG and JPEG leave the interpreter's lock."""
STORE_THREADS = 8
"""Tiles that are looked up, or put, at a time; a tier hangs for two seconds at most."""


class TileStore:
    """Looks tiles up in a store, encodes new ones and puts them there.

    A PNG, or a WebP of classes, is a lossless form of a tile: other image formats are made from it,
    undrawn. Nothing is made from a lossy one: its ETag promises the drawn tile's bytes.
    """

    def __init__(self, store: Tiered, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics
        # Apart from each other: encoding computes, stores wait, each in bounds (cache.time_limit).
        self._encoders = ThreadPoolExecutor(ENCODER_THREADS, thread_name_prefix="encode")
        self._calls = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store")

    async def find(self, request: TileRequest, key: TileKey, clock: Clock) -> Found | None:
        """A tile, or what a lossless form of it makes, which is then put; None for a miss."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._calls, self._store.get, key.path)
        other = None
        for format in [] if found is not None else list_lossless_formats(request):
            path = replace(key, format=str(format)).path
            # Not copied to memory, where this format will be.
            if path != key.path:
                other = await loop.run_in_executor(self._calls, self._store.peek, path)
            if other is not None:
                break
        clock.lap("cache")
        if other is None:
            return found
        content = await loop.run_in_executor(self._encoders, convert, request, other.value)
        clock.lap("encode")
        put = self._calls.submit(self._put_converted, key.path, content, other.written)
        await asyncio.shield(asyncio.wrap_future(put))
        return other._replace(value=content)

    async def encode_and_put(
        self, request: TileRequest, pixels: tuple[Pixels, Mask], path: str, clock: Clock
    ) -> bytes:
        """The bytes of a tile of these pixels, once the store has them.

        A cancelled caller does not keep what was encoded from the store.
        """
        loop = asyncio.get_running_loop()
        content, stored = await loop.run_in_executor(
            self._encoders, self._encode, request, pixels, path, clock
        )
        await asyncio.shield(asyncio.wrap_future(stored))
        return content

    def close(self) -> None:
        """Wait for what is being encoded and put, then close the store."""
        self._encoders.shutdown()
        self._calls.shutdown()
        self._store.close()

    def _encode(
        self, request: TileRequest, pixels: tuple[Pixels, Mask], path: str, clock: Clock
    ) -> tuple[bytes, Future[None]]:
        """In a thread: the encoded tile, and the call that puts it, which is already submitted."""
        content = encode_tile(request, *pixels)
        clock.lap("encode")
        return content, self._calls.submit(self._put, request.origin, path, content, clock)

    def _put_converted(self, path: str, content: bytes, written: float) -> None:
        """In a thread: put and count a tile, also where its caller does not wait any more."""
        self._store.put(path, content, written)
        self._metrics.count_converted()

    def _put(self, origin: str, path: str, content: bytes, clock: Clock) -> None:
        """In a thread: put and count a tile."""
        self._store.put(path, content)
        clock.lap("store")
        self._metrics.count_computed(origin, clock.milliseconds)


def encode_tile(request: TileRequest, values: Pixels, valid: Mask) -> bytes:
    """The bytes of a tile from its values (C, H, W), and where they are data (H, W).

    The values are in the engine's unit: the raster's range is [0, 1], and values outside it are
    kept. Of classes they are the class numbers.
    """
    raster, grid, options = request.source.raster, request.layer.grid, request.options
    uncertain = options.mode is Mode.uncertainty
    if options.format.holds_values:
        render = render_deviation_values if uncertain else render_values
        bands, opaque = render(values, valid, raster, options.rendering)
        place = grid.transform(request.pixel_zoom, request.window)
        return encode_values(bands, opaque, options.format, grid.crs, place, tile_tags(request))
    render = render_deviation if uncertain else render_levels
    return _encode_levels(request, *render(values, valid, raster, options.rendering))


def list_lossless_formats(request: TileRequest) -> list[ImageFormat]:
    """The formats that hold all that any image format of a tile is made from.

    PNG, and WebP where that keeps every level; none for formats of values, which a picture does
    not hold.
    """
    if request.options.format.holds_values:
        return []
    exact = shows_classes(request.source.raster, request.options.rendering)
    return [ImageFormat.png, ImageFormat.webp] if exact else [ImageFormat.png]


def convert(request: TileRequest, lossless: bytes) -> bytes:
    """The bytes of a tile from a lossless form of it: the same as from its values."""
    return _encode_levels(request, *decode(lossless))


def _encode_levels(request: TileRequest, levels: NDArray[np.uint8], opaque: Opacity) -> bytes:
    lossless = shows_classes(request.source.raster, request.options.rendering)
    return encode(levels, opaque, request.options.format, lossless=lossless)
