"""Which tiles of a zoom cover a bounding box or a source, and in which order to make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from morecantile import Tile
from rasterio.crs import CRS

from engine.window import Window
from tileserver.catalogue.layers import Layer
from tileserver.errors import CommandError
from tileserver.grid import TILE_PX, Grid

DEGREES = CRS.from_epsg(4326)
BLOCK_TILES = 4
"""Side of the blocks in which tiles are made: 16 tiles are drawn as one window."""
EDGE_SHARE = 1e-3
"""Boxes are shrunk by this share of the deepest zoom's pixel, so that one that ends on a tile's
edge does not include the next tile by rounding."""

Bbox = tuple[float, float, float, float]
"""West, south, east, north, in degrees."""


@dataclass(frozen=True, slots=True)
class TileRange:
    """A rectangle of tiles at one zoom; columns past the last one wrap around."""

    rows: range
    cols: range

    @classmethod
    def of(cls, grid: Grid, zoom: int, window: Window) -> TileRange:
        """The tiles of a grid that intersect a window of pixels."""
        matrix, tiles = grid.tms.matrix(zoom), window.parent(TILE_PX)
        return cls(
            range(max(0, tiles.row), min(matrix.matrixHeight, tiles.bottom)),
            range(max(0, tiles.col), min(matrix.matrixWidth, tiles.right)),
        )

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)

    def holds(self, col: int, row: int) -> bool:
        return col in self.cols and row in self.rows

    def intersection(self, other: TileRange) -> TileRange:
        return TileRange(_both(self.rows, other.rows), _both(self.cols, other.cols))


def tiles_of_bbox(grid: Grid, bbox: Bbox, zoom: int) -> TileRange:
    """The tiles that intersect a box; raises CommandError if the grid does not cover it."""
    west, south, east, north = bbox
    limits = grid.tms.bbox
    south, north = max(south, limits.bottom), min(north, limits.top)
    if not (west < east and south < north):
        raise CommandError(f"the box {bbox} is empty on {grid.id}")
    left, bottom, right, top = grid.bounds_of(DEGREES, (west, south, east, north))
    edge = grid.pixel_size(int(grid.tms.maxzoom)) * EDGE_SHARE
    inner = left + edge, bottom + edge, right - edge, top - edge
    if not all(isfinite(value) for value in inner):
        raise CommandError(f"the box {bbox} does not lie on {grid.id}")
    return TileRange.of(grid, zoom, grid.window_of_bounds(inner, zoom))


def tiles_of_source(layer: Layer, zoom: int, bbox: Bbox | None = None) -> TileRange:
    """The tiles that intersect a source, and a box if any; raises CommandError as tiles_of_bbox."""
    window = layer.extent_at(zoom)
    boxed = None if bbox is None else tiles_of_bbox(layer.grid, bbox, zoom)
    if not layer.crosses:
        tiles = TileRange.of(layer.grid, zoom, window)
        return tiles if boxed is None else tiles.intersection(boxed)
    return _across(layer.grid, zoom, window, boxed)


def _across(grid: Grid, zoom: int, window: Window, boxed: TileRange | None) -> TileRange:
    """The tiles of a window that continues past the last column."""
    whole, tiles = grid.whole(zoom), window.parent(TILE_PX)
    rows = range(max(0, tiles.row), min(whole.height // TILE_PX, tiles.bottom))
    turn = whole.width // TILE_PX
    cols = range(tiles.col, min(tiles.right, tiles.col + turn))
    if boxed is None:
        return TileRange(rows, cols)
    near, far = (_both(cols, _moved(boxed.cols, cols_on)) for cols_on in (0, turn))
    both = near if not far else far if not near else range(near.start, far.stop)
    return TileRange(_both(rows, boxed.rows), both)


def _moved(indexes: range, by: int) -> range:
    return range(indexes.start + by, indexes.stop + by)


def downward(ranges: Mapping[int, TileRange]) -> Iterator[Tile]:
    """The tiles of all ranges, each once: block by block, each block followed by all deeper zooms
    below it, so that the pictures that they are made from are still in memory."""
    top = min(ranges)
    for row in _blocks(ranges[top].rows):
        for col in _blocks(ranges[top].cols):
            yield from _under(ranges, top, row, col)


def _under(ranges: Mapping[int, TileRange], zoom: int, row: int, col: int) -> Iterator[Tile]:
    """The tiles of a block, given by its first row and column, and of all deeper zooms below it."""
    if zoom > max(ranges):
        return
    block = TileRange(range(row, row + BLOCK_TILES), range(col, col + BLOCK_TILES))
    inside = block.intersection(ranges[zoom]) if zoom in ranges else block
    if not inside:
        return
    if zoom in ranges:
        yield from (Tile(x, y, zoom) for y in inside.rows for x in inside.cols)
    for child_row in (2 * row, 2 * row + BLOCK_TILES):
        for child_col in (2 * col, 2 * col + BLOCK_TILES):
            yield from _under(ranges, zoom + 1, child_row, child_col)


def _blocks(indexes: range) -> range:
    return range(indexes.start // BLOCK_TILES * BLOCK_TILES, indexes.stop, BLOCK_TILES)


def _both(first: range, second: range) -> range:
    return range(max(first.start, second.start), min(first.stop, second.stop))
