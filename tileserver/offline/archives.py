"""Writes web mercator tiles into one file: MBTiles 1.3 and PMTiles 3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morecantile import Tile
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

from tileserver.offline.area import Bbox

FORMATS = {
    "png": TileType.PNG,
    "jpg": TileType.JPEG,
    "webp": TileType.WEBP,
    "avif": TileType.AVIF,
}
"""Tile formats that both kinds of archive can declare."""
MEDIA_TYPES = {"avif": "image/avif"}
"""For formats that MBTiles has no name for; its specification then wants the media type."""

_SCHEMA = """
CREATE TABLE metadata (name text, value text);
CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob);
"""
_INDEX = "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)"

Content = tuple[Tile, bytes]


@dataclass(frozen=True, slots=True)
class Description:
    """The metadata of an archive."""

    name: str
    text: str
    """What the zooms show, in one sentence."""
    attribution: str | None
    format: str
    bounds: Bbox
    zooms: tuple[int, int]
    """The least and the deepest."""

    @property
    def centre(self) -> tuple[float, float]:
        west, south, east, north = self.bounds
        return (west + east) / 2, (south + north) / 2

    def words(self) -> dict[str, str]:
        """Metadata that both kinds of archive store."""
        words = {"name": self.name, "description": self.text, "type": "baselayer"}
        return words | ({"attribution": self.attribution} if self.attribution else {})


def write_mbtiles(path: Path, description: Description, tiles: Iterable[Content]) -> None:
    """Write an MBTiles file; its rows are counted from the south (TMS)."""
    least, deepest = description.zooms
    metadata = {
        **description.words(),
        "format": MEDIA_TYPES.get(description.format, description.format),
        "bounds": ",".join(f"{value:.11f}" for value in description.bounds),
        "center": ",".join(f"{value:.7f}" for value in description.centre) + f",{least}",
        "minzoom": str(least),
        "maxzoom": str(deepest),
        "version": "1",
    }
    with _complete(path) as partial, closing(sqlite3.connect(partial)) as database, database:
        database.executescript(_SCHEMA)
        database.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        rows = ((tile.z, tile.x, 2**tile.z - 1 - tile.y, content) for tile, content in tiles)
        database.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)
        database.execute(_INDEX)


def write_pmtiles(path: Path, description: Description, tiles: Iterable[Content]) -> None:
    """Write a PMTiles file; the tiles must come in the order of `pmtiles_order`."""
    west, south, east, north = (round(value * 1e7) for value in description.bounds)
    lon, lat = (round(value * 1e7) for value in description.centre)
    header: dict[str, Any] = {
        "tile_type": FORMATS[description.format],
        "tile_compression": Compression.NONE,
        "min_lon_e7": west,
        "min_lat_e7": south,
        "max_lon_e7": east,
        "max_lat_e7": north,
        "center_lon_e7": lon,
        "center_lat_e7": lat,
        "center_zoom": description.zooms[0],
    }
    # finalize closes the file of tiles, but nothing does where the tiles raise.
    with _complete(path) as partial, write(str(partial)) as writer, closing(writer.tile_f):
        for tile, content in tiles:
            writer.write_tile(zxy_to_tileid(tile.z, tile.x, tile.y), content)
        writer.finalize(header, description.words())


def pmtiles_order(tile: Tile) -> int:
    """A tile's PMTiles id: its position along the Hilbert curves of all zooms."""
    return int(zxy_to_tileid(tile.z, tile.x, tile.y))


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """A temporary path beside the file, renamed to it on success."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
