"""The reader in somebody else's titiler app and in a script: the server's pixels."""

from __future__ import annotations

import doctest
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Barrier

import morecantile
import numpy as np
import pytest
from affine import Affine
from morecantile import Tile
from PIL import Image
from rasterio.errors import RasterioIOError
from rio_tiler.errors import PointOutsideBounds, TileOutsideBounds
from rio_tiler.io import Reader
from starlette.testclient import TestClient

from engine.imagery import Pixels
from engine.window import Window
from tests.support.changing import inverted
from tests.support.earth import Place
from tests.support.rasters import SCENE, cut, full_disk
from tests.support.server import Service
from tests.support.tiles import decoded, path_of
from tests.support.waiting import LIMIT_SECONDS
from tileserver import SuperResolvedReader
from tileserver.imagery.bands import GridSource
from tileserver.reader import UnsupportedOption
from tileserver.reader.engine import share_engine

NATIVE = 19


def test_a_picture_that_the_grid_does_not_reach_is_read_as_rio_tiler_reads_it(
    tmp_path: Path,
) -> None:
    path = full_disk(tmp_path / "disk.tif")
    average = {"resampling_method": "average", "reproject_method": "average"}
    with SuperResolvedReader(str(path)) as ours, Reader(str(path)) as plain:
        assert ours.maxzoom == plain.maxzoom
        tile = ours.tile(4, 4, 3)
        assert np.array_equal(tile.array.data, plain.tile(4, 4, 3, **average).array.data)
        assert tile.array.max() == 100


@pytest.mark.parametrize(
    "place",
    [
        Place("EPSG:4326", Affine(0.1, 0, 172, 0, -0.1, 10), waves=8),
        Place("EPSG:4326", Affine(0.1, 0, 172, 0, 0.1, -10), waves=8),
    ],
)
def test_it_reads_the_ends_of_the_world_and_rows_that_run_to_the_north(
    tmp_path: Path, place: Place
) -> None:
    path = place.write(tmp_path / "place.tif")
    with SuperResolvedReader(str(path)) as reader:
        for zoom in (reader.maxzoom - 4, reader.maxzoom - 3):
            for lon in (-175.0, 175.0):
                tile = reader.tms.tile(lon, 3.0, zoom)
                image = reader.tile(*tile)
                at = reader.tms.xy(lon, 3.0)
                col, row = ~image.transform * (at.x, at.y)
                found = image.array[:, int(row), int(col)]
                expected = place.values(np.array([lon]), np.array([3.0]))[:, 0]
                assert not found.mask.any()
                assert found.data == pytest.approx(expected, abs=12)


@pytest.mark.filterwarnings("ignore:The dataset has no Overviews")
def test_the_docstring_s_example_runs_and_its_app_serves_the_server_s_pixels(
    server: Service,
    middle_tile: Callable[[int], Tile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink(SCENE, "scene.tif")
    (example,) = doctest.DocTestFinder(recurse=False).find(SuperResolvedReader, "example", globs={})
    runner = doctest.DocTestRunner()
    runner.run(example, clear_globs=False)
    assert runner.failures == 0
    assert runner.tries >= 7
    client = TestClient(example.globs["app"])
    for zoom in (NATIVE - 2, NATIVE, NATIVE + 1, NATIVE + 3):
        tile = middle_tile(zoom)
        path = f"/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png?url=scene.tif"
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        expected = decoded(server.get(path_of(tile)).content)
        levels = np.asarray(Image.open(BytesIO(answer.content)))
        assert np.array_equal(levels[..., :3], expected[..., :3])
    document = client.get("/WebMercatorQuad/tilejson.json?url=scene.tif").json()
    assert document["maxzoom"] == NATIVE + 3
    query = "url=scene.tif&buffer=2"
    beyond = client.get(f"/tiles/WebMercatorQuad/{tile.z + 1}/0/0.png?url=scene.tif")
    refused = client.get(f"/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png?{query}")
    assert (beyond.status_code, refused.status_code) == (404, 400)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return cut(tmp_path / "small.tif", "mask")


def middle(reader: Reader, zoom: int) -> tuple[int, int, int]:
    west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
    x, y, z = reader.tms.tile((west + east) / 2, (south + north) / 2, zoom)
    return x, y, z


def test_what_is_as_fine_as_the_file_is_rio_tiler_s_read(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader, Reader(str(small)) as plain:
        assert reader.info().model_dump() == plain.info().model_dump()
        assert reader.statistics()["b1"] == plain.statistics()["b1"]
        box = inner_box(plain, 0.2)
        shape = {"type": "Polygon", "coordinates": [corners(box)]}
        for ours, theirs in (
            (reader.preview(), plain.preview()),
            (reader.preview(height=300, max_size=None), plain.preview(height=300, max_size=None)),
            (reader.part(box), plain.part(box)),
            (reader.part(box, width=20), plain.part(box, width=20)),
            (reader.part(plain.bounds, plain.crs, plain.crs, width=300, height=300),
             plain.part(plain.bounds, plain.crs, plain.crs, width=300, height=300)),
            (reader.feature(shape), plain.feature(shape)),
        ):  # fmt: skip
            assert np.array_equal(ours.array.data, theirs.array.data)
            assert np.array_equal(ours.array.mask, theirs.array.mask)
            assert "overzoom" not in ours.metadata


def inner_box(reader: Reader, share: float) -> tuple[float, float, float, float]:
    """A box in degrees in the middle of a raster, so large a share of it."""
    west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
    lon, lat, half = (west + east) / 2, (south + north) / 2, share / 2
    width, height = (east - west) * half, (north - south) * half
    return lon - width, lat - height, lon + width, lat + height


def corners(box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    west, south, east, north = box
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


@pytest.mark.parametrize("zoom", [NATIVE + 1, NATIVE + 3])
@pytest.mark.parametrize("kind", ["mask", "uint16", "nan"])
def test_parts_on_a_zoom_s_own_pixels_are_the_tiles(tmp_path: Path, kind: str, zoom: int) -> None:
    with SuperResolvedReader(str(cut(tmp_path / "it.tif", kind))) as reader:
        x, y, _ = middle(reader, zoom)
        crs, bounds = reader.tms.rasterio_crs, reader.tms.xy_bounds(Tile(x, y, zoom))
        tile = reader.tile(x, y, zoom)
        part = reader.part(bounds, dst_crs=crs, bounds_crs=crs, width=256, height=256)
        assert part.array.shape == tile.array.shape
        assert np.array_equal(part.array.mask, tile.array.mask)
        assert np.array_equal(part.array.filled(0), tile.array.filled(0))
        assert part.metadata == tile.metadata
        assert part.band_names == tile.band_names
        assert part.metadata["overzoom"] == "super-resolved"
        quarter = (bounds.left, bounds.bottom, (bounds.left + bounds.right) / 2, bounds.top)
        half = reader.part(quarter, crs, crs, indexes=(1,), width=128)
        assert np.array_equal(half.array[0].filled(0), tile.array[0, :, :128].filled(0))
        buffered = reader.part(bounds, crs, crs, width=256, height=256, buffer=3)
        inside = buffered.array[:, 3:-3, 3:-3]
        assert np.array_equal(inside.filled(0), tile.array.filled(0))


def test_what_the_grid_does_not_reach_is_read_of_the_file(tmp_path: Path) -> None:
    place = Place("EPSG:4326", Affine(1, 0, -100, 0, -1, 90))
    path = str(place.write(tmp_path / "north.tif"))
    with SuperResolvedReader(path) as reader, Reader(path) as plain:
        for box in ((-20, 80, 0, 90), (-200, -95, 200, 95)):
            ours, theirs = reader.part(box, width=800), plain.part(box, width=800)
            assert np.array_equal(ours.array.filled(0), theirs.array.filled(0))
        assert np.array_equal(reader.point(-20, 87).array, plain.point(-20, 87).array)
        finer = reader.part((-20, 40, -18, 41), width=400)
        assert finer.metadata["overzoom"] == "super-resolved"
        assert finer.array.shape == plain.part((-20, 40, -18, 41), width=400).array.shape


def test_parts_and_points_continue_across_180_degrees(tmp_path: Path) -> None:
    place = Place("EPSG:4326", Affine(0.1, 0, 172, 0, -0.1, 10), waves=8)
    with SuperResolvedReader(str(place.write(tmp_path / "across.tif"))) as reader:
        for lon in (175.0, -175.0):
            expected = place.values(np.array([lon]), np.array([3.0]))[:, 0]
            part = reader.part((lon - 1, 2, lon + 1, 4), width=300, height=300)
            assert part.metadata["overzoom"] == "super-resolved"
            assert not part.array.mask.any()
            assert part.array[:, 150, 150].data == pytest.approx(expected, abs=12)
            assert reader.point(lon, 3).array.data == pytest.approx(expected, abs=12)


def test_points_are_the_pixels_of_the_tile(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader:
        for zoom in (None, NATIVE, NATIVE + 1):
            deep = reader.maxzoom if zoom is None else zoom
            box = inner_box(reader, 0.5)
            for lon, lat in ((box[0], box[3]), ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)):
                tile, at = reader.tms.tile(lon, lat, deep), reader.tms.xy(lon, lat)
                bounds, image = reader.tms.xy_bounds(tile), reader.tile(*tile)
                side = (bounds.right - bounds.left) / 256
                row, col = int((bounds.top - at.y) / side), int((at.x - bounds.left) / side)
                point = reader.point(lon, lat, zoom=zoom)
                assert np.array_equal(point.array.filled(0), image.array[:, row, col].filled(0))
                assert np.array_equal(point.array.mask, image.array.mask[:, row, col])
                assert point.metadata == image.metadata
                assert point.pixel_location == (256 * tile.x + col, 256 * tile.y + row)
            assert point.array.mask.all(), "the hole in the middle"
        west, south, _, _ = inner_box(reader, 0.8)
        point = reader.point(west, south)
        assert point.metadata["overzoom"] == "super-resolved"
        assert reader.point(west, south, indexes=2).array[0] == point.array[1]
        one, two, _ = map(float, point.array)
        assert reader.point(west, south, expression="b1/b2").array[0] == pytest.approx(one / two)
        with pytest.raises(PointOutsideBounds):
            reader.point(west + 1, south)
        with pytest.raises(UnsupportedOption, match="zoom must be 19 to 22"):
            reader.point(west, south, zoom=NATIVE + 4)


def test_previews_and_features_finer_than_the_file_are_super_resolved(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader, Reader(str(small)) as plain:
        large, file = reader.preview(width=600, height=600, max_size=None), plain.preview()
        assert large.array.shape == (3, 600, 600)
        assert large.metadata["overzoom"] == "super-resolved"
        assert large.bounds == pytest.approx(file.bounds)
        assert large.crs == file.crs
        means = large.array.astype(float).reshape(3, 300, 2, 300, 2).mean(axis=(2, 4))
        above = means[:, 5:90, 5:290]  # the hole
        apart = {
            (down, right): np.abs(
                above - file.array.data[:, 5 + down : 90 + down, 5 + right : 290 + right]
            )
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        assert min(apart, key=lambda shift: apart[shift].mean()) == (0, 0), "in the same place"
        assert apart[0, 0].mean() < 6, "the same ground"
        hole = large.array.mask[0].reshape(300, 2, 300, 2).mean(axis=(1, 3))
        assert np.abs(hole - file.array.mask[0]).mean() < 0.01
        box = inner_box(plain, 0.2)
        shape = {"type": "Polygon", "coordinates": [corners(box)[:3] + corners(box)[:1]]}
        feature = reader.feature(shape, width=120, height=120)
        assert feature.metadata["overzoom"] == "super-resolved"
        assert feature.cutline_mask[0, 0]
        assert feature.array.mask[:, 0, 0].all()
        part = reader.part(box, width=120, height=120)
        seen = ~feature.cutline_mask
        assert np.array_equal(feature.array.data[:, seen], part.array.data[:, seen])
        other = reader.preview(width=600, dst_crs=reader.tms.rasterio_crs, max_size=None)
        assert other.crs == reader.tms.rasterio_crs
        assert other.metadata["overzoom"] == "super-resolved"


@pytest.mark.parametrize("option", [{"nodata": 0}, {"unscale": True}, {"vrt_options": {"x": 1}}])
def test_options_of_reading_a_file_are_refused_for_what_is_drawn(
    small: Path, option: dict[str, object]
) -> None:
    with SuperResolvedReader(str(small)) as reader:
        box = inner_box(reader, 0.1)
        lon, lat = box[:2]
        for read in (
            lambda: reader.part(box, width=400, height=400, **option),
            lambda: reader.preview(width=400, height=400, max_size=None, **option),
            lambda: reader.point(lon, lat, **option),
        ):
            with pytest.raises(UnsupportedOption, match="takes no"):
                read()
        assert reader.part(box, width=9, nodata=0).nodata == 0, "of the file"


def test_a_box_without_area_is_rio_tiler_s_to_refuse(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader, Reader(str(small)) as plain:
        west, south, _, north = inner_box(plain, 0.1)
        for box in ((west, south, west, north), (west, south, west + 1, south)):
            with pytest.raises(ZeroDivisionError) as theirs:
                plain.part(box, width=400, height=400)
            with pytest.raises(ZeroDivisionError) as ours:
                reader.part(box, width=400, height=400)
            assert ours.traceback[-1].path == theirs.traceback[-1].path


@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 1, NATIVE + 3])
def test_a_large_tile_is_the_four_of_the_next_zoom(small: Path, zoom: int) -> None:
    with SuperResolvedReader(str(small)) as reader:
        x, y, _ = middle(reader, zoom)
        large = reader.tile(x, y, zoom, tilesize=512)
        assert large.array.shape == (3, 512, 512)
        if zoom == reader.maxzoom:
            return
        for row, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
            quarter = reader.tile(2 * x + col, 2 * y + row, zoom + 1).array
            part = large.array[:, row * 256 : row * 256 + 256, col * 256 : col * 256 + 256]
            assert np.array_equal(part, quarter)
            assert np.array_equal(part.mask, quarter.mask)
        assert large.metadata["overzoom"] == "super-resolved"


def test_bands_are_chosen_by_indexes_and_expressions(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader:
        tile = middle(reader, NATIVE + 1)
        whole = reader.tile(*tile)
        assert whole.array.mask.any(), "the hole in the middle"
        swapped = reader.tile(*tile, indexes=(3, 1))
        assert np.array_equal(swapped.array, whole.array[[2, 0]])
        assert swapped.band_names == ["b3", "b1"]
        assert np.array_equal(reader.tile(*tile, indexes=2).array[0], whole.array[1])
        ratio = reader.tile(*tile, expression="b1/(b2+b3+1)")
        one, two, three = whole.array.astype(float)
        np.testing.assert_allclose(ratio.array[0], one / (two + three + 1), rtol=1e-6)
        with pytest.raises(UnsupportedOption, match="bands are"):
            reader.tile(*tile, indexes=7)


@pytest.mark.parametrize(
    "options",
    [{"tilesize": 300}, {"buffer": 1}, {"nodata": 0}, {"resampling_method": "cubic"}],
)
def test_what_has_no_meaning_for_a_super_resolved_tile_is_refused(
    small: Path, options: dict[str, object]
) -> None:
    with SuperResolvedReader(str(small)) as reader:
        with pytest.raises(UnsupportedOption):
            reader.tile(*middle(reader, NATIVE + 1), **options)
        with pytest.raises(TileOutsideBounds):
            reader.tile(0, 0, NATIVE + 1)


def test_values_are_the_raster_s_own(tmp_path: Path) -> None:
    with SuperResolvedReader(str(cut(tmp_path / "deep.tif", "uint16"))) as reader:
        image = reader.tile(*middle(reader, NATIVE + 1))
    assert image.metadata["imagery_pixel_metres"] == pytest.approx(0.2, rel=0.001)
    assert image.metadata["pixel_metres"] == pytest.approx(0.1056, rel=0.001)
    assert image.array.dtype == np.uint16
    assert image.array.max() > 2000, "40 times 8 bits"


def test_a_replaced_raster_is_seen_by_the_next_reader(small: Path, tmp_path: Path) -> None:
    cut(small, "rgb")
    with SuperResolvedReader(str(small)) as reader:
        tile = middle(reader, NATIVE + 1)
        before = reader.tile(*tile).array
    inverted(small, tmp_path / "other.tif").replace(small)
    with SuperResolvedReader(str(small)) as reader:
        after = reader.tile(*tile).array
    assert abs(float(after.mean()) - (255 - float(before.mean()))) < 3


def test_grids_that_do_not_double_are_rio_tiler_s(small: Path) -> None:
    tms = morecantile.tms.get("CanadianNAD83_LCC")
    with SuperResolvedReader(str(small), tms=tms) as reader, Reader(str(small), tms=tms) as plain:
        assert reader.maxzoom == plain.maxzoom


def test_what_cannot_be_read_raises_rio_tiler_s_error(tmp_path: Path) -> None:
    with pytest.raises(RasterioIOError, match="nothing"):
        SuperResolvedReader(str(tmp_path / "nothing.tif"))
    with pytest.raises(ValueError, match="by its path"):
        SuperResolvedReader(None)


def test_threads_that_ask_at_once_share_one_engine_and_one_source(tmp_path: Path) -> None:
    class Own(SuperResolvedReader):
        """Has an engine of its own, which nobody has made yet."""

    path = str(cut(tmp_path / "scene.tif", "rgb"))
    start = Barrier(4, timeout=LIMIT_SECONDS)

    def ask(_: int) -> tuple[object, object]:
        start.wait()
        with Own(path) as reader:
            return share_engine(Own, Own.settings), reader._source

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert len({id(engine) for engine, _ in found}) == 1
    assert len({id(source) for _, source in found}) == 1


def test_no_drawing_waits_for_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, read = [], GridSource.read

    def noted(source: GridSource, block: Window) -> Pixels:
        engine = share_engine(SuperResolvedReader, SuperResolvedReader.settings)
        held.append(engine.drawing.locked())
        return read(source, block)

    monkeypatch.setattr(GridSource, "read", noted)
    with SuperResolvedReader(str(cut(tmp_path / "cut.tif", "rgb"))) as reader:
        west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
        for zoom in (NATIVE, NATIVE + 1):
            reader.tile(*reader.tms.tile((west + east) / 2, (south + north) / 2, zoom))
    assert held
    assert not any(held)
