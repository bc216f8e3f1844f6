"""A block of the demo scene's tiles, and what a cache folder holds of it."""

from __future__ import annotations

from pathlib import Path

from morecantile import Tile

from cache import DiskStore, RedisStore, TileKey
from tests.support.tiles import WEB_MERCATOR

MIDDLE = WEB_MERCATOR.tile(-110.643554, 44.955993, 20)
_TOP_LEFT = WEB_MERCATOR.bounds(Tile(MIDDLE.x - 2, MIDDLE.y - 2, 20))
_BOTTOM_RIGHT = WEB_MERCATOR.bounds(Tile(MIDDLE.x + 1, MIDDLE.y + 1, 20))
BBOX = f"{_TOP_LEFT.left},{_BOTTOM_RIGHT.bottom},{_BOTTOM_RIGHT.right},{_TOP_LEFT.top}"
"""Of 4x4 tiles at zoom 20, as `--bbox` takes it."""


def read_tiles(folder: Path, source: str | None = None) -> dict[Tile, bytes]:
    """The tiles of a disk cache; source: of this one alone."""
    return tiles_in(DiskStore(folder, 10**9), source)


def tiles_in(store: DiskStore | RedisStore, source: str | None = None) -> dict[Tile, bytes]:
    """The tiles of a store; source: of this one alone."""
    found = {}
    for entry in store.entries():
        key, kept = TileKey.parse(entry.key), store.get(entry.key)
        assert key is not None
        assert kept is not None
        if source in (None, key.source):
            found[Tile(key.col, key.row, key.zoom)] = kept.value
    return found
