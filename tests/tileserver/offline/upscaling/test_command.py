"""Whole rasters super-resolved: any kind in, the engine's own pixels out, resumed after a stop."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from scipy.ndimage import binary_erosion

from engine.evaluation.upsampling import predict_deviation, super_resolve
from engine.network.checkpoint import load_checkpoint
from engine.sampling.settings import SamplerSettings
from tests.support.commands import call_overzoom, command_of
from tests.support.rasters import SMALL_SIDE, cut
from tests.support.waiting import wait_until
from tileserver.checkpoints import local_checkpoint
from tileserver.offline.upscaling import Upscaling, upscale

WORK = Upscaling(2, SamplerSettings())


@pytest.mark.parametrize("kind", ["rgb", "rgba", "nodata", "mask", "uint16", "four", "nan"])
def test_every_kind_of_raster_averages_back_to_itself(tmp_path: Path, kind: str) -> None:
    source, out = cut(tmp_path / "in.tif", kind, SMALL_SIDE), tmp_path / "out.tif"
    upscale(source, out, WORK, None)
    with rasterio.open(source) as before, rasterio.open(out) as after:
        assert after.shape == (2 * SMALL_SIDE, 2 * SMALL_SIDE)
        assert after.crs == before.crs
        assert after.bounds == before.bounds
        assert after.dtypes[0] == before.dtypes[0]
        assert after.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert after.tags()["OVERZOOM_CHECKPOINT"] == "small"
        valid = before.dataset_mask() > 0
        if kind == "nan":
            valid = np.isfinite(before.read(1))
        np.testing.assert_array_equal(
            after.dataset_mask() > 0, valid.repeat(2, axis=0).repeat(2, axis=1)
        )
        assert after.colorinterp == before.colorinterp
        assert after.mask_flag_enums == before.mask_flag_enums or kind == "nan"
        bands = [i for i in before.indexes if before.colorinterp[i - 1].name != "alpha"]
        data = np.nan_to_num(before.read(bands).astype(float))
        fine = after.read(bands).astype(float)
    means = fine.reshape(len(bands), SMALL_SIDE, 2, SMALL_SIDE, 2).mean(axis=(2, 4))
    rounding = {"nan": 1e-5}.get(kind, 0.76)
    # Where contrast is out of range it is shrunk, which may round a mean that is not: 1 level.
    assert np.abs(means - data)[:, valid].max() <= rounding


def test_the_bundled_checkpoint_draws_steeper_than_interpolation(
    tmp_path: Path, bundled_checkpoint: Path
) -> None:
    source, out = cut(tmp_path / "in.tif", "rgb", SMALL_SIDE), tmp_path / "out.tif"
    upscale(source, out, WORK, None)
    with rasterio.open(source) as before, rasterio.open(out) as after:
        assert after.tags()["OVERZOOM_CHECKPOINT"] == bundled_checkpoint.stem
        low, fine = before.read(1).astype(float), after.read(1).astype(float)
    assert np.abs(np.diff(fine)).mean() > 0.6 * np.abs(np.diff(low)).mean()


def test_the_pixels_are_the_engines_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_checkpoint: Path
) -> None:
    source = cut(tmp_path / "in.tif", "rgb", 176)
    with rasterio.open(source) as scene:
        low = scene.read().astype(np.float32) / np.float32(255)
    whole = super_resolve(low, load_checkpoint(small_checkpoint), SamplerSettings(), zooms=2)
    for block_px in (512, 256):  # which end inside of what is compared
        monkeypatch.setattr("tileserver.offline.upscaling.drawing.BLOCK_PX", block_px)
        out = tmp_path / f"{block_px}.tif"
        upscale(source, out, Upscaling(4, SamplerSettings()), None)
        with rasterio.open(out) as file:
            # Both mirror at the border; the one repeats the last pixel, the other does not.
            inner = (slice(None), slice(160, -160), slice(160, -160))
            np.testing.assert_array_equal(file.read()[inner], np.rint(whole * 255)[inner])


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_file(
    tmp_path: Path, small_checkpoint: Path
) -> None:
    options = ["--factor", 4, "--steps", 1, "--checkpoint", small_checkpoint]
    source = cut(tmp_path / "in.tif", "rgb", 300)
    straight, halting = tmp_path / "straight.tif", tmp_path / "halting.tif"
    done = call_overzoom("upscale", source, straight, *options)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""  # no progress where nobody watches
    parts = tmp_path / "halting.tif.parts"
    command = command_of("upscale", source, halting, *options)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: list(parts.glob("*.tif")))
        os.kill(process.pid, signal.SIGKILL)
    assert not halting.exists()
    kept = sorted(parts.glob("*.tif"))[0]
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(kept, "r+") as strip:
        # Marked: drawn again it would lose the mark.
        strip.write(np.full((1, 8, 8), 77, np.uint8), [1], window=((0, 8), (0, 8)))
    done = call_overzoom("upscale", source, halting, *options, "--noise-seed", "0")
    assert done.exit_code == 0, done.stderr
    assert not parts.exists()
    with rasterio.open(straight) as one, rasterio.open(halting) as other:
        expected, found = one.read(), other.read()
    row = int(kept.stem.removeprefix("strip-"))
    assert (found[0, row : row + 8, :8] == 77).all()
    expected[0, row : row + 8, :8] = 77
    np.testing.assert_array_equal(found, expected)


def test_strips_of_other_settings_are_not_used(tmp_path: Path) -> None:
    source, out = cut(tmp_path / "in.tif", "rgb", SMALL_SIDE), tmp_path / "out.tif"
    parts = tmp_path / "out.tif.parts"
    parts.mkdir()
    (parts / "run.txt").write_text("another run")
    (parts / "strip-000000000.tif").write_bytes(b"not these")
    upscale(source, out, WORK, None)
    with rasterio.open(out) as file:
        assert file.read(1).std() > 5


def test_uncertainty_is_that_of_the_picture_in_the_rasters_own_unit(tmp_path: Path) -> None:
    source, out, error = (tmp_path / name for name in ("in.tif", "out.png", "error.tif"))
    cut(source, "mask", SMALL_SIDE)
    done = call_overzoom("upscale", source, out, "--uncertainty", error)
    assert done.exit_code == 0, done.stderr
    with rasterio.open(source) as file:
        low, mask = file.read().astype(np.float32) / 255, file.dataset_mask() > 0
    expected = predict_deviation(low, local_checkpoint(None, "cpu"), SamplerSettings()) * 255
    expected = np.sqrt((expected**2).mean(axis=0))
    with rasterio.open(error) as file:
        assert file.tags()["OVERZOOM_SYNTHETIC"] == "standard deviation of the error"
    inside = binary_erosion(mask, iterations=20).repeat(2, 0).repeat(2, 1)
    with rasterio.open(error) as file:
        found = file.read(1)
        np.testing.assert_array_equal(file.dataset_mask() > 0, mask.repeat(2, 0).repeat(2, 1))
    assert expected[inside].mean() > 1
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-3)
    with rasterio.open(out) as file:
        assert file.count == 4
        assert file.crs is not None
        assert file.tags()["OVERZOOM_FACTOR"] == "2"


def test_a_picture_without_a_place_is_upscaled_too(tmp_path: Path) -> None:
    with rasterio.open(cut(tmp_path / "in.tif", "rgb", SMALL_SIDE)) as scene:
        pixels = scene.read()
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(
            tmp_path / "in.png", "w", "PNG", SMALL_SIDE, SMALL_SIDE, 3, dtype="uint8"
        ) as out,
    ):
        out.write(pixels)
    done = call_overzoom("upscale", tmp_path / "in.png", tmp_path / "out.png", "--factor", 2)
    assert done.exit_code == 0, done.stderr
    assert "Warning" not in done.stderr
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(tmp_path / "out.png") as file,
    ):
        fine = file.read()
    means = fine.reshape(3, SMALL_SIDE, 2, SMALL_SIDE, 2).mean(axis=(2, 4))
    assert np.abs(means - pixels).max() <= 0.76


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.tif", "out.tif"], "missing.tif: "),
        (["in.tif", "out.gif"], "out.gif: the suffix must be one of .tif"),
        (["in.tif", "nowhere/out.tif"], "cannot be written"),
        (["in.tif", "folder.tif"], "folder.tif: cannot be written"),
        (["in.tif", "in.tif"], "in.tif: would overwrite another file"),
        (["in.tif", "out.tif", "--uncertainty", "out.tif"], "out.tif: would overwrite another"),
        (["in.tif", "out.tif", "--uncertainty", "spread.png"], "PNG holds 1 or 3 bands"),
        (["in.tif", "taken.tif"], "taken.tif.parts: exists, but was not made by this command"),
        (["nan.tif", "out.png"], "PNG holds 1 or 3 bands"),
        (["four.tif", "out.png"], "PNG holds 1 or 3 bands"),
        (["long.tif", "out.tif"], "long.tif: has uint32 values"),
    ],
)
def test_what_cannot_be_upscaled_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cut(tmp_path / "in.tif", "rgb", SMALL_SIDE)
    cut(tmp_path / "nan.tif", "nan", SMALL_SIDE)
    cut(tmp_path / "four.tif", "four", SMALL_SIDE)
    with rasterio.open(tmp_path / "in.tif") as scene:
        profile = {**scene.profile, "dtype": "uint32"}
        with rasterio.open(tmp_path / "long.tif", "w", **profile) as out:
            out.write(scene.read().astype(np.uint32))
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "taken.tif.parts").mkdir()
    (tmp_path / "taken.tif.parts" / "notes.txt").touch()
    done = call_overzoom("upscale", *arguments)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert reason in line


def test_values_of_any_range_survive_also_outside_a_given_range(tmp_path: Path) -> None:
    with rasterio.open(cut(tmp_path / "rgb.tif", "rgb", SMALL_SIDE)) as scene:
        metres = scene.read(1).astype(np.float32) * 4 - 100
        profile = {**scene.profile, "dtype": "float32", "count": 1}
        profile.pop("photometric", None)
    with rasterio.open(tmp_path / "heights.tif", "w", **profile) as out:
        out.write(metres, 1)
    upscale(tmp_path / "heights.tif", tmp_path / "whole.tif", WORK, None)
    with rasterio.open(tmp_path / "whole.tif") as file:
        means = file.read(1).reshape(SMALL_SIDE, 2, SMALL_SIDE, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(means, metres, atol=0.01)
    narrow = replace(WORK, value_range=(0.0, 200.0))
    upscale(tmp_path / "heights.tif", tmp_path / "narrow.tif", narrow, None)
    with rasterio.open(tmp_path / "narrow.tif") as file:
        means = file.read(1).reshape(SMALL_SIDE, 2, SMALL_SIDE, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(means, metres, atol=0.01)
