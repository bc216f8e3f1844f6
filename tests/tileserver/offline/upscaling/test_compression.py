"""Files by their compression: what each keeps, and what it cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.support.commands import call_overzoom
from tests.support.scenes import SIDE, colours, means, repeated, write


@pytest.mark.parametrize("name", ["deflate", "zstd", "lzw"])
def test_lossless_files_average_to_their_source(tmp_path: Path, name: str) -> None:
    source, out = write(tmp_path / "in.tif", colours()), tmp_path / "out.tif"
    done = call_overzoom("upscale", source, out, "--compression", name)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"({name})\n")
    with rasterio.open(out) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == name.upper()
        assert np.abs(means(file.read()) - colours()).max() <= 0.76


@pytest.mark.parametrize(("name", "bands"), [("jpeg", 3), ("jpeg", 1), ("webp", 3)])
def test_lossy_files_are_smaller_and_near(tmp_path: Path, name: str, bands: int) -> None:
    source, out = write(tmp_path / "in.tif", colours(160, 160)[:bands]), tmp_path / "out.tif"
    sizes = []
    for quality in (90, 50):
        done = call_overzoom("upscale", source, out, "--compression", name, "--quality", quality,
                             "--overwrite", "--uncertainty", tmp_path / "error.tif")  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert f"({name} {quality})" in done.stdout
        sizes.append(out.stat().st_size)
    assert sizes[0] > sizes[1]
    with rasterio.open(out) as file:
        assert name.upper() in file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"]
        assert np.abs(means(file.read()) - colours(160, 160)[:bands]).mean() < 8
    with rasterio.open(tmp_path / "error.tif") as file:  # floating point: lossless
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"


@pytest.mark.parametrize("name", ["jpeg", "webp"])
@pytest.mark.parametrize("kind", ["nodata", "mask", "alpha"])
def test_lossy_files_keep_where_there_is_no_data(tmp_path: Path, name: str, kind: str) -> None:
    valid = np.ones((SIDE, SIDE), np.bool_)
    valid[:20, 10:30] = False
    pixels = np.where(valid, colours().clip(1, 255), 0).astype(np.uint8)
    opaque = np.where(valid, 255, 0).astype(np.uint8)
    source = tmp_path / "in.tif"
    if kind == "alpha":
        rgba = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        write(source, np.concatenate([pixels, opaque[None]]), interpretation=rgba)
    elif kind == "mask":
        write(source, pixels, mask=opaque)
    else:
        write(source, pixels, nodata=0)
    done = call_overzoom("upscale", source, tmp_path / "out.tif", "--compression", name)
    assert done.exit_code == 0, done.stderr
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.nodata is None  # lossy pixels may equal any value
        np.testing.assert_array_equal(file.dataset_mask() > 0, repeated(valid))


@pytest.mark.parametrize(
    ("options", "out", "reason"),
    [
        (["--compression", "jpeg"], "out.tif", "jpeg compression holds 1 or 3 bands of 8 bits"),
        (["--compression", "webp"], "out.tif", "webp compression holds 3 bands of 8 bits"),
        (["--compression", "zstd"], "out.png", "--compression is for GeoTIFFs"),
    ],
)
def test_what_a_compression_cannot_hold_is_said_in_one_line(
    tmp_path: Path, options: list[str], out: str, reason: str
) -> None:
    source = write(tmp_path / "in.tif", colours().astype(np.uint16))
    done = call_overzoom("upscale", source, tmp_path / out, *options)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert reason in line
