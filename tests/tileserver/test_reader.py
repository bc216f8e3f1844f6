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
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader
from starlette.testclient import TestClient

from engine.imagery import Pixels
from engine.window import Window
from tests.support.changing import inverted
from tests.support.earth import Place
from tests.support.rasters import SCENE, cut, full_disk
from tests.support.server import Service
from tests.support.tiles import decoded, path_of
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


def test_all_but_tiles_is_rio_tiler_s_reader(small: Path) -> None:
    with SuperResolvedReader(str(small)) as reader, Reader(str(small)) as plain:
        assert reader.info().model_dump() == plain.info().model_dump()
        assert np.array_equal(reader.preview().array, plain.preview().array)
        longitude, latitude = plain.get_geographic_bounds("EPSG:4326")[:2]
        point = longitude + 1e-4, latitude + 1e-4
        assert np.array_equal(reader.point(*point).array, plain.point(*point).array)
        assert reader.statistics()["b1"] == plain.statistics()["b1"]


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

    path, start = str(cut(tmp_path / "scene.tif", "rgb")), Barrier(4)

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
