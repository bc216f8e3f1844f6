"""The tiles of boxes and of sources."""

from __future__ import annotations

from pathlib import Path

import click
import morecantile
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from morecantile import Tile

from tests.support.earth import Place
from tileserver.assembly import open_catalogue
from tileserver.cli import options
from tileserver.errors import CommandError
from tileserver.grid import Grid
from tileserver.offline.area import TileRange, downward, tiles_of_bbox, tiles_of_source
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

MERCATOR = Grid(morecantile.tms.get("WebMercatorQuad"))


def tiles(found: TileRange, zoom: int) -> set[Tile]:
    return {Tile(col, row, zoom) for row in found.rows for col in found.cols}


def degrees(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers that lie on no tile's edge, nor within a millimetre of one."""
    return st.floats(least, most).map(lambda value: round(value, 5) + 3e-6)


@given(
    degrees(-179, 178), degrees(-84, 83), degrees(1e-4, 0.9), degrees(1e-4, 0.9),
    st.integers(0, 9),
)  # fmt: skip
def test_a_box_has_the_tiles_that_morecantile_says(
    west: float, south: float, width: float, height: float, zoom: int
) -> None:
    bbox = west, south, west + width, south + height
    expected = set(MERCATOR.tms.tiles(*bbox, [zoom]))
    assert tiles(tiles_of_bbox(MERCATOR, bbox, zoom), zoom) == expected


@pytest.mark.parametrize("grid", ["WebMercatorQuad", "WorldCRS84Quad", "NZTM2000Quad"])
@pytest.mark.parametrize("zoom", [5, 14])
def test_the_box_of_a_tile_is_that_tile_alone(grid: str, zoom: int) -> None:
    tms = morecantile.tms.get(grid)
    tile = tms.tile(174.78, -41.29, zoom)
    west, south, east, north = tms.bounds(tile)
    box = (west, south, east, north)
    found = tiles(tiles_of_bbox(Grid(tms), box, zoom), zoom)
    assert tile in found
    if grid != "NZTM2000Quad":  # whose tiles are no boxes in degrees
        assert found == {tile}


def test_the_whole_globe_is_every_tile() -> None:
    assert len(tiles_of_bbox(MERCATOR, (-180, -90, 180, 90), 4)) == 4**4


@pytest.mark.parametrize("bbox", [(5, 5, 5, 6), (0, 86, 1, 89)])
def test_an_empty_box_is_refused(bbox: tuple[float, float, float, float]) -> None:
    with pytest.raises(CommandError, match="is empty on WebMercatorQuad"):
        tiles_of_bbox(MERCATOR, bbox, 4)


def test_a_source_has_the_tiles_that_touch_it(config_settings: Settings) -> None:
    layer = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    for zoom in range(15, layer.max_zoom + 1):
        found = tiles(tiles_of_source(layer, zoom), zoom)
        around = {
            Tile(t.x + i, t.y + j, zoom) for t in found for i in (-1, 0, 1) for j in (-1, 0, 1)
        }
        assert found == {tile for tile in around if layer.touches(tile)}


@pytest.mark.parametrize("bbox", [None, (-180, 0, -175, 5), (170, 0, 178, 5), (-180, -80, 180, 80)])
def test_a_source_across_180_degrees_has_its_tiles_at_both_ends(
    tmp_path: Path, bbox: tuple[float, float, float, float] | None
) -> None:
    place = Place("EPSG:4326", Affine(0.1, 0, 172, 0, -0.1, 10))
    sources = {"it": {"path": str(place.write(tmp_path / "across.tif"))}}
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    catalogue = open_catalogue(read_settings(None, {"sources": sources, "cache": cache}))
    layer = catalogue["it"].layer("WebMercatorQuad")
    for zoom in range(layer.max_zoom + 1):
        expected = {
            tile
            for tile in (Tile(x, y, zoom) for x in range(2**zoom) for y in range(2**zoom))
            if layer.touches(tile)
        }
        if bbox is not None:
            expected &= tiles(tiles_of_bbox(MERCATOR, bbox, zoom), zoom)
        found = tiles_of_source(layer, zoom, bbox)
        moved = [Tile(tile.x % 2**zoom, tile.y, zoom) for tile in downward({zoom: found})]
        assert set(moved) == expected
        assert len(moved) == len(expected)
    catalogue.close()


@pytest.mark.parametrize("zooms", [[18, 19, 20, 21], [18, 21], [20]])
def test_every_tile_comes_once_and_deeper_ones_after_what_lies_above(zooms: list[int]) -> None:
    box = (-110.6500, 44.9500, -110.6400, 44.9600)
    ranges = {zoom: tiles_of_bbox(MERCATOR, box, zoom) for zoom in zooms}
    ordered = list(downward(ranges))
    assert len(ordered) == sum(map(len, ranges.values()))
    assert set(ordered) == {tile for zoom in zooms for tile in tiles(ranges[zoom], zoom)}
    place = {tile: index for index, tile in enumerate(ordered)}
    for tile in ordered:
        for above in zooms:
            if above < tile.z:
                scale = 2 ** (tile.z - above)
                assert place[Tile(tile.x // scale, tile.y // scale, above)] < place[tile]


def test_tiles_of_a_block_come_together() -> None:
    ranges = {6: TileRange(range(64), range(64))}
    ordered = list(downward(ranges))
    for start in range(0, len(ordered), 16):
        block = ordered[start : start + 16]
        assert len({(tile.x // 4, tile.y // 4) for tile in block}) == 1


@pytest.mark.parametrize(
    ("text", "zooms"), [("18", (18,)), ("18-20", (18, 19, 20)), ("20,3-4,20", (3, 4, 20))]
)
def test_zooms_are_read(text: str, zooms: tuple[int, ...]) -> None:
    assert options.zooms(text) == zooms


@pytest.mark.parametrize("text", ["", "x", "20-18", "-1", "31", "1-2-3", "1,,2", "0-999999999"])
def test_other_zooms_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        options.zooms(text)


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "2,2,1,3", "1,3,2,2", "-181,0,1,1", "0,0,nan,1", "0,0,1,91"]
)
def test_other_boxes_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        options.bbox(text)


def test_a_box_is_read() -> None:
    assert options.bbox("-110.65, 44.95,-110.64,44.96") == (-110.65, 44.95, -110.64, 44.96)
