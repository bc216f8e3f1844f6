"""Values of any type and range: shown by percentiles, kept as they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds, from_origin
from starlette.testclient import TestClient

from tests.support.tiles import WEB_MERCATOR, decoded, path_of
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.errors import StartupError
from tileserver.imagery.units import to_raster_type
from tileserver.rasters import value_range
from tileserver.rasters.inspection import inspect
from tileserver.rasters.value_range import RangeOrigin
from tileserver.settings.server import Settings
from tileserver.tiles.pixels import find_valid_pixels

TILE = WEB_MERCATOR.tile(15, 45, 14)
"""Rasters lie on its pixels: what is served there is what the file holds."""
SIDE = 256
SOME_PX = 96
GROUND = np.random.default_rng(0).integers(60, 200, (1, SIDE, SIDE))
"""Whole numbers that differ from pixel to pixel."""
KINDS: dict[str, NDArray[Any]] = {
    "float32": (GROUND + 500.25).astype(np.float32),
    "float64": (GROUND + 1e6 + 0.125).astype(np.float64),
    "uint16": (GROUND * 12).astype(np.uint16),
    "int16": (GROUND * 50 - 5000).astype(np.int16),
    "int32": (GROUND * 1000 - 1).astype(np.int32),
    "uint32": (GROUND * 3).astype(np.uint32),
    "int8": (GROUND - 100).astype(np.int8),
    "uint8": GROUND.astype(np.uint8),
}


def write(path: Path, bands: NDArray[Any], **tags: str) -> Path:
    bounds = WEB_MERCATOR.xy_bounds(TILE)
    height, width = bands.shape[-2:]
    profile = {"driver": "GTiff", "height": height, "width": width, "crs": "EPSG:3857"}
    place = from_bounds(*bounds, width, height)
    count, dtype = len(bands), bands.dtype
    with rasterio.open(path, "w", count=count, dtype=dtype, transform=place, **profile) as out:
        out.write(bands)
        for index in out.indexes if tags else ():
            out.update_tags(index, **tags)
    return path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a raster of every type, and of one with a few values far outside the others."""
    folder = tmp_path_factory.mktemp("kinds")
    outliers = KINDS["float32"].copy()
    outliers[0, 10:14, 10:14], outliers[0, 100, 100] = -9000, 25_000
    rasters = {**KINDS, "outliers": outliers}
    sources = {
        kind: {"path": str(write(folder / f"{kind}.tif", rasters[kind]))} for kind in rasters
    }
    settings = Settings.model_validate(
        {"sources": sources, "cache": {"folder": str(folder / "cache")}}
    )
    with TestClient(make_app(settings)) as client:
        yield client


def values(client: TestClient, kind: str, depth: int = 0) -> NDArray[Any]:
    """The first tile of a zoom past native, without its mask, (C, 256, 256)."""
    scale = 2**depth
    tile = WEB_MERCATOR.tile(15, 45, 14)
    path = path_of(type(tile)(tile.x * scale, tile.y * scale, tile.z + depth), kind, "npy")
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    loaded: NDArray[Any] = np.load(BytesIO(answer.content))[:-1]
    return loaded


@pytest.mark.parametrize("kind", [*KINDS, "outliers"])
def test_native_tiles_hold_the_files_own_values(client: TestClient, kind: str) -> None:
    found = values(client, kind)
    # An array file has a mask of 8 unsigned bits, which 8 signed ones cannot hold.
    assert found.dtype == (np.int16 if kind == "int8" else KINDS.get(kind, KINDS["float32"]).dtype)
    expected = KINDS.get(kind)
    if expected is None:
        assert found.min() == pytest.approx(-9000, rel=1e-4)
        assert found.max() == pytest.approx(25_000, rel=1e-4)
    elif found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [*KINDS, "outliers"])
@pytest.mark.parametrize("depth", [1, 2])
def test_deeper_tiles_average_to_them(client: TestClient, kind: str, depth: int) -> None:
    scale = 2**depth
    fine = values(client, kind, depth).astype(np.float64)
    part = values(client, kind)[:, : SIDE // scale, : SIDE // scale].astype(np.float64)
    means = fine.reshape(1, SIDE // scale, scale, SIDE // scale, scale).mean(axis=(2, 4))
    rounding = 0.51 if np.dtype(KINDS.get(kind, part).dtype).kind in "ui" else 0.0
    np.testing.assert_allclose(means, part, atol=rounding + 2e-6 * np.abs(part).max())
    assert fine.std() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_values_on_another_grid_are_the_files_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "utm.tif"
    part = KINDS[kind][:, :SOME_PX, :SOME_PX]
    bands = part.repeat(2, axis=1).repeat(2, axis=2)  # which cubic reads hardly change
    place = from_origin(500_000, 5_000_000, 10, 10)
    size = {"height": 2 * SOME_PX, "width": 2 * SOME_PX, "count": 1, "dtype": bands.dtype}
    profile = {"driver": "GTiff", **size}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=place, **profile) as out:
        out.write(bands)
    settings = Settings.model_validate({"sources": {"utm": {"path": str(path)}}})
    source = open_catalogue(settings)["utm"]
    layer = source.layer("WebMercatorQuad")
    inner = layer.extent.parent().dilated(-30)
    for zoom, window in ((layer.native_zoom, inner), (layer.native_zoom + 1, inner.children())):
        assert find_valid_pixels(layer, zoom, window).all()
        found = to_raster_type(layer.pyramid.picture(zoom).read(window), source.raster).astype(
            float
        )
        spread = float(np.ptp(bands.astype(float)))
        assert np.median(found) == pytest.approx(np.median(bands), abs=0.03 * spread)
        assert found.std() == pytest.approx(bands.std(), rel=0.3)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint16", "int16", "int32", "outliers"])
def test_pictures_show_the_middle_of_the_values_from_black_to_white(
    client: TestClient, kind: str
) -> None:
    answer = client.get(path_of(TILE, kind))
    levels = decoded(answer.content).astype(float)
    assert (levels == 0).mean() == pytest.approx(0.02, abs=0.01)
    assert (levels == 255).mean() == pytest.approx(0.02, abs=0.01)
    low, high = np.percentile(values(client, kind).astype(float), (2, 98))
    inside = (levels > 0) & (levels < 255)
    expected = (values(client, kind)[0].astype(float) - low) / (high - low) * 255
    assert np.abs(levels - expected)[inside].max() < 1


def test_what_is_taken_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, client: TestClient
) -> None:
    path = write(tmp_path / "dem.tif", KINDS["float32"])
    settings = Settings.model_validate({"sources": {"dem": {"path": str(path)}}})
    logger = "tileserver.catalogue.opener"
    with caplog.at_level(logging.INFO, logger):
        open_catalogue(settings).close()
    assert "dem: values from 562.25 to 697.25 are shown black to white" in caplog.text
    assert "2nd to 98th percentile" in caplog.text


def test_exact_statistics_are_the_range_and_approximate_ones_are_not(tmp_path: Path) -> None:
    tags = {"STATISTICS_MINIMUM": "600", "STATISTICS_MAXIMUM": "650"}
    exact = inspect(write(tmp_path / "a.tif", KINDS["float32"], **tags), None)
    assert (exact.range, exact.range_origin) == ((600, 650), RangeOrigin.DECLARED)
    tags["STATISTICS_APPROXIMATE"] = "YES"
    rough = inspect(write(tmp_path / "b.tif", KINDS["float32"], **tags), None)
    assert (rough.range, rough.range_origin) == ((562.25, 697.25), RangeOrigin.MEASURED)


@pytest.mark.parametrize(("least", "most"), [("600", "inf"), ("-inf", "650"), ("nan", "650")])
def test_statistics_that_are_not_finite_are_not_the_range(
    tmp_path: Path, least: str, most: str
) -> None:
    bands = KINDS["float32"].copy()
    bands[0, 0, 0] = np.inf  # of which GDAL makes such statistics
    tags = {"STATISTICS_MINIMUM": least, "STATISTICS_MAXIMUM": most}
    found = inspect(write(tmp_path / "dem.tif", bands, **tags), None)
    assert (found.range, found.range_origin) == ((562.25, 697.25), RangeOrigin.MEASURED)


@pytest.mark.parametrize("configured", [(0, np.inf), (-np.inf, 1), (np.nan, 1)])
def test_a_configured_range_that_is_not_finite_is_refused(
    tmp_path: Path, configured: tuple[float, float]
) -> None:
    path = write(tmp_path / "dem.tif", KINDS["float32"])
    with pytest.raises(StartupError, match=r"dem\.tif: range .* is empty or not finite"):
        inspect(path, configured)


def test_a_configured_range_is_shown_and_clips_no_value(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", KINDS["float32"])
    sources = {"float32": {"path": str(path), "range": [600, 610]}}
    with TestClient(make_app(Settings.model_validate({"sources": sources}))) as client:
        np.testing.assert_allclose(values(client, "float32"), KINDS["float32"], atol=2e-4)
        assert values(client, "float32", 2).max() > 650


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (np.full((1, 8, 8), 7, np.float32), (7, 8)),
        (np.full((1, 8, 8), np.nan, np.float32), (0, 1)),
        (np.where(np.eye(200, dtype=bool), 5, 0).astype(np.int16)[None], (0, 5)),
    ],
)
def test_a_range_is_never_empty(
    tmp_path: Path, bands: NDArray[Any], expected: tuple[float, float]
) -> None:
    assert inspect(write(tmp_path / "flat.tif", bands), None).range == expected


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_what_alpha_hides_is_not_measured(tmp_path: Path, dtype: str) -> None:
    bands = np.full((2, 32, 32), 255, dtype)
    bands[0] = np.arange(32) + 300
    bands[0, :16], bands[1, :16] = 20_000, 100
    path = write(tmp_path / "alpha.tif", bands)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = ColorInterp.gray, ColorInterp.alpha
    assert inspect(path, None).range == pytest.approx((300, 331), abs=1)


@pytest.mark.parametrize("overviews", [[], [2, 4]])
def test_a_large_raster_is_measured_where_little_is_read_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overviews: list[int]
) -> None:
    ramp = np.add.outer(np.arange(1200), np.arange(1500)).astype(np.float32)[None]
    path = write(tmp_path / "ramp.tif", ramp)
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews(overviews)
    monkeypatch.setattr(value_range, "FEW_VALUES", 600_000)
    monkeypatch.setattr(value_range, "BLOCK_PX", 256)
    first, second = inspect(path, None), inspect(path, None)
    assert first.range == second.range
    low, high = np.percentile(ramp, (2, 98))
    assert first.range == pytest.approx((low, high), abs=0.05 * (high - low))


def test_whole_numbers_that_would_be_rounded_are_refused(tmp_path: Path) -> None:
    large = write(tmp_path / "large.tif", (GROUND * 100_000).astype(np.int32))
    for configured in (None, (0.0, 1e7)):
        with pytest.raises(StartupError, match="int32 values beyond 2097152"):
            inspect(large, configured)
