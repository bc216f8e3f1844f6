"""Tiles of the demo scene: their addresses, their levels, and what they make together."""

from __future__ import annotations

from io import BytesIO

import morecantile
import numpy as np
from morecantile import Tile
from PIL import Image

WEB_MERCATOR = morecantile.tms.get("WebMercatorQuad")


def block(corner: Tile, size: int) -> list[Tile]:
    """A square of tiles, size a side, around a tile."""
    start_x, start_y = corner.x - size // 2, corner.y - size // 2
    return [Tile(start_x + i, start_y + j, corner.z) for j in range(size) for i in range(size)]


def path_of(tile: Tile, source: str = "yellowstone", format: str = "png") -> str:
    return f"/{source}/{tile.z}/{tile.x}/{tile.y}.{format}"


def decoded(content: bytes) -> np.ndarray:
    """An encoded tile's levels, (H, W, C)."""
    return np.asarray(Image.open(BytesIO(content)))


def mosaic(tiles: dict[Tile, np.ndarray]) -> np.ndarray:
    """Tiles of one zoom put together, (H, W, C)."""
    left, top = min(t.x for t in tiles), min(t.y for t in tiles)
    right, bottom = max(t.x for t in tiles), max(t.y for t in tiles)
    picture = np.zeros(((bottom - top + 1) * 256, (right - left + 1) * 256, 3), np.uint8)
    for tile, levels in tiles.items():
        row, col = (tile.y - top) * 256, (tile.x - left) * 256
        picture[row : row + 256, col : col + 256] = levels[..., :3]
    return picture
