"""Rasters of every kind as imagery: the same pixels in every window, at holes and borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.window import Window
from tests.support.rasters import SCENE, SMALL_SIDE, cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.errors import StartupError
from tileserver.grid import Grid
from tileserver.imagery import filling
from tileserver.imagery.bands import Bands, GridSource
from tileserver.imagery.filling import fill_by_mirroring
from tileserver.imagery.handles import HandlePool
from tileserver.rasters.footprint import native_zoom
from tileserver.rasters.inspection import inspect

GRID = Grid(WEB_MERCATOR)
NATIVE = 19


def opened(path: Path, value_range: tuple[float, float] | None = None) -> tuple[GridSource, Bands]:
    handles = HandlePool(4).of(inspect(path, value_range))
    source = GridSource(handles, GRID, NATIVE + 1)
    return source, Bands(source, {})


@pytest.mark.parametrize("kind", ["rgb", "rgba", "nodata", "mask", "grey", "uint16", "four"])
def test_every_window_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    source, bands = opened(cut(tmp_path / "cut.tif", kind, SMALL_SIDE))
    whole = source.extent.dilated(70)
    expected, valid = bands.read(whole), bands.valid(whole)
    generator = np.random.default_rng(0)
    for _ in range(4):
        height, width = (int(v) for v in generator.integers(1, 250, 2))
        row = whole.row + int(generator.integers(0, whole.height - height))
        col = whole.col + int(generator.integers(0, whole.width - width))
        crop = Window(row, col, height, width)
        rows, cols = whole.slices(crop)
        fresh = Bands(source, {})
        assert np.array_equal(fresh.read(crop), expected[:, rows, cols])
        assert np.array_equal(fresh.valid(crop), valid[rows, cols])


@pytest.mark.parametrize(
    "kind",
    ["rgba", "nodata", "mask", "interleaved", "nan", "alpha inside", "signed", "float"],
)
def test_holes_are_filled_for_the_network_and_masked_for_the_map(tmp_path: Path, kind: str) -> None:
    value_range = {"signed": (-128.0, 127.0), "nan": (0.0, 1.0), "float": (0.0, 1.0)}.get(kind)
    source, bands = opened(cut(tmp_path / "cut.tif", kind), value_range)
    _, plain = opened(cut(tmp_path / "plain.tif", "rgb"))
    inside, filled = bands.valid(source.extent), bands.read(source.extent)
    hole = plain.valid(source.extent) & ~inside
    share = hole.sum() / plain.valid(source.extent).sum()
    assert share == pytest.approx(80 * 80 / 300**2, rel=0.1)  # cubic reads spread NaN
    assert filled[:, hole].min() > 0.1, "no black in the holes of a bright meadow"
    colours = filled[:3, inside]
    np.testing.assert_allclose(
        colours, plain.read(source.extent)[:, inside], atol=0.2
    )  # beside a hole the cubic kernel leaves missing pixels out


def test_values_are_scaled_by_the_declared_range_and_never_by_the_window(tmp_path: Path) -> None:
    _, eight = opened(cut(tmp_path / "rgb.tif", "rgb"))
    source, sixteen = opened(cut(tmp_path / "uint16.tif", "uint16"), (0, 255 * 40))
    window = source.extent.dilated(-20)
    np.testing.assert_allclose(sixteen.read(window), eight.read(window), atol=1.5 / 255)


def test_ground_beyond_a_border_mirrors_the_ground_inside(tmp_path: Path) -> None:
    source, bands = opened(cut(tmp_path / "cut.tif", "rgb"))
    outer = source.extent.dilated(40)
    pixels, valid = bands.read(outer), bands.valid(outer)
    middle = outer.width // 2
    first = int(np.argmax(valid[:, middle]))
    above, below = pixels[:, first - 20 : first, middle], pixels[:, first : first + 21, middle]
    # the mirror lies in the first valid row; a raster in UTM lies a little askew in mercator
    error = np.abs(above[:, ::-1] - below[:, 1:]).mean()
    assert error < 0.02
    assert np.abs(above - above.mean(1, keepdims=True)).mean() > 0.02, "not a smear"


def test_far_from_the_data_there_is_nothing(tmp_path: Path) -> None:
    source, bands = opened(cut(tmp_path / "cut.tif", "rgb"))
    far = Window(source.extent.row + 10**6, source.extent.col, 5, 5)
    assert not bands.read(far).any()
    assert not bands.valid(far).any()


def test_filling_takes_the_mirror_image_and_else_the_nearest() -> None:
    pixels = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
    valid = np.zeros((1, 10), bool)
    valid[0, 4:7] = True
    whole = slice(0, 1), slice(0, 10)
    expected = [4, 4, 6, 5, 4, 5, 6, 5, 4, 6]
    assert fill_by_mirroring(pixels, valid, whole)[0, 0].tolist() == expected
    for start, stop in ((0, 4), (2, 6), (4, 7), (8, 10)):
        part = slice(0, 1), slice(start, stop)
        assert fill_by_mirroring(pixels, valid, part)[0, 0].tolist() == expected[start:stop]
    assert np.array_equal(fill_by_mirroring(pixels, np.ones((1, 10), bool), whole), pixels)
    assert not fill_by_mirroring(pixels, np.zeros((1, 10), bool), whole).any()


def test_around_a_rectangle_nothing_is_searched_and_the_nearest_pixels_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = np.random.default_rng(1).random((2, 40, 50), np.float32)
    valid = np.zeros((40, 50), bool)
    valid[7:21, 11:45] = True
    whole = slice(0, 40), slice(0, 50)
    rows, cols = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    mirrored = 2 * np.array([rows, cols]) - np.indices(valid.shape)
    on_rows, on_cols = (mirrored >= 0) & (mirrored < [[[40]], [[50]]])
    inside = on_rows & on_cols
    inside[inside] = valid[tuple(mirrored[:, inside])]
    taken_rows, taken_cols = np.where(inside, mirrored, [rows, cols])
    monkeypatch.setattr(filling, "distance_transform_edt", None)
    assert np.array_equal(
        fill_by_mirroring(pixels, valid, whole), pixels[:, taken_rows, taken_cols]
    )


@pytest.mark.parametrize("kind", ["rgb", "nodata"])
def test_nothing_outside_the_extent_is_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, bands = opened(cut(tmp_path / "cut.tif", kind, SMALL_SIDE))
    read, windows = source._read_warped, []

    def note(window: Window) -> Any:
        windows.append(window)
        return read(window)

    monkeypatch.setattr(source, "_read_warped", note)
    bands.read(source.extent.dilated(40))
    assert windows
    assert all(window.intersection(source.extent) == window for window in windows)


def test_filling_a_part_searches_no_more_than_it_and_the_valid_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[tuple[int, ...]] = []

    def count(invalid: NDArray[np.bool_], **options: Any) -> Any:
        searched.append(invalid.shape)
        return distance_transform_edt(invalid, **options)

    valid = np.zeros((800, 900), bool)
    valid[220:300, 310:400] = np.random.default_rng(0).random((80, 90)) > 0.5
    pixels = np.random.default_rng(1).random((3, 800, 900), np.float32)
    whole = fill_by_mirroring(pixels, valid, (slice(0, 800), slice(0, 900)))
    monkeypatch.setattr(filling, "distance_transform_edt", count)
    for part in (slice(250, 350), slice(350, 500)), (slice(700, 800), slice(0, 10)):
        assert np.array_equal(fill_by_mirroring(pixels, valid, part), whole[:, *part])
    assert searched == [(130, 190), (580, 400)]


def test_a_raster_of_the_whole_world_has_the_zoom_of_its_middle(tmp_path: Path) -> None:
    size = {"count": 1, "dtype": "uint8", "height": 1800, "width": 3600, "sparse_ok": True}
    place = Affine(0.1, 0, -180, 0, -0.1, 90)
    with rasterio.open(
        tmp_path / "world.tif", "w", driver="GTiff", crs="EPSG:4326", transform=place, **size
    ):
        pass
    world = native_zoom(inspect(tmp_path / "world.tif", None), GRID)
    assert world == 4  # 0.1 degrees are 11 km at the equator, a pixel of zoom 4 has 10


def test_fingerprints_follow_the_content_and_not_the_name(tmp_path: Path) -> None:
    one, same = cut(tmp_path / "one.tif", "rgb"), cut(tmp_path / "same.tif", "rgb")
    other = cut(tmp_path / "other.tif", "grey")
    prints = [inspect(path, None).fingerprint for path in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_rasters_that_cannot_be_served_are_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    with pytest.raises(StartupError, match=r"text\.tif: not a raster"):
        inspect(text, None)
    with pytest.raises(StartupError, match=r"range .* is empty"):
        inspect(cut(tmp_path / "cut.tif", "uint16"), (5, 5))
    virtual = tmp_path / "virtual.vrt"
    virtual.write_text(
        f'<VRTDataset rasterXSize="9" rasterYSize="9"><SRS>EPSG:3857</SRS>'
        f"<GeoTransform>0,1,0,0,0,-1</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{SCENE}'
        f"</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(StartupError, match=r"virtual\.vrt: references other files \(driver VRT\)"):
        inspect(virtual, None)
