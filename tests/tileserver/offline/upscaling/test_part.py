"""A part of a raster, by a box in degrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterWindow
from rasterio.windows import bounds

from tests.support.commands import call_overzoom
from tests.support.scenes import colours, write
from tileserver.offline.upscaling import drawing

ROW, COL, HEIGHT, WIDTH = 40, 30, 60, 50


def box_of(path: Path, turn: float) -> str:
    """The box inside of a window of pixels, in degrees; turn: added to longitudes."""
    with rasterio.open(path) as file:
        inner = RasterWindow(COL + 0.3, ROW + 0.3, WIDTH - 0.6, HEIGHT - 0.6)
        box = bounds(inner, file.transform)
        west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *box)
        return f"{west + turn},{south},{east + turn},{north}"


PLACES: dict[str, tuple[dict[str, Any], float]] = {
    "metres": ({}, 0.0),
    "degrees": ({"crs": "EPSG:4326", "transform": Affine(1e-5, 0, -60, 0, -1e-5, 10)}, 0.0),
    "0 to 360": ({"crs": "EPSG:4326", "transform": Affine(1e-5, 0, 300, 0, -1e-5, 10)}, -360.0),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_part_equals_the_same_part_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(drawing, "BLOCK_PX", 256)
    options, turn = PLACES[place]
    source = write(tmp_path / "in.tif", colours(160, 140), **options)
    with rasterio.open(source) as file:  # PROJ takes longitudes back below 180 degrees
        west = transform_bounds(file.crs, "EPSG:4326", *file.bounds)[0]
    box = box_of(source, turn if west > 180 else 0.0)
    whole, part, error = (tmp_path / name for name in ("whole.tif", "part.tif", "error.tif"))
    assert call_overzoom("upscale", source, whole).exit_code == 0
    done = call_overzoom("upscale", source, part, "--bbox", box, "--uncertainty", error)
    assert done.exit_code == 0, done.stderr
    with rasterio.open(whole) as one, rasterio.open(part) as other:
        with rasterio.open(error) as third:
            assert (third.shape, third.transform) == (other.shape, other.transform)
        row, col = one.index(*(other.transform * (0.5, 0.5)))
        assert abs(row - 2 * ROW) <= 4
        assert abs(col - 2 * COL) <= 4
        assert other.height <= 2 * HEIGHT + 8
        assert other.width <= 2 * WIDTH + 8
        window = RasterWindow(col, row, other.width, other.height)
        assert other.transform.almost_equals(one.window_transform(window), 1e-6)
        np.testing.assert_array_equal(other.read(), one.read(window=window))
    done = call_overzoom("upscale", source, part, "--bbox", box)
    assert "nothing to do" in done.stdout
    done = call_overzoom("upscale", source, part)
    assert done.exit_code == 1
    assert "part row " in done.stderr


@pytest.mark.parametrize(
    ("placed", "reason"), [(True, "lies outside --bbox"), (False, "the raster has no transform")]
)
def test_boxes_that_show_nothing_are_refused(tmp_path: Path, placed: bool, reason: str) -> None:
    options: dict[str, Any] = {} if placed else {"crs": None, "transform": Affine.identity()}
    source = write(tmp_path / "in.tif", colours(), **options)
    done = call_overzoom("upscale", source, tmp_path / "out.tif", "--bbox", "0,0,1,1")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert reason in line
