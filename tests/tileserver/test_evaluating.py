"""The report: every experiment on a small scene, with a denoiser that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from click.testing import CliRunner
from PIL import Image

from engine.checkpoint import Network, save_checkpoint
from engine.global_network import GlobalConfig, GlobalDenoiser
from engine.network import LocalDenoiser, NetworkConfig
from engine.perceptual import PerceptualDistance
from tileserver.checkpoints import local_checkpoint
from tileserver.cli import main
from tileserver.errors import StartupError
from tileserver.evaluating.command import middle, served_samples
from tileserver.evaluating.fusion import COLUMNS, fusion_table
from tileserver.evaluating.peers import Peer
from tileserver.evaluating.pictures import Sample, area_mean, truths
from tileserver.evaluating.ways import ways

TRUTH = Path(__file__).parents[2] / "deploy" / "demo" / "yellowstone_10cm_truth.tif"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A local and a global denoiser with little in them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    paths = folder / "tiny.safetensors", folder / "tiny-global.safetensors"
    denoisers: tuple[Network, ...] = (
        LocalDenoiser(NetworkConfig(16, 1)),
        GlobalDenoiser(GlobalConfig(8)),
    )
    for path, denoiser in zip(paths, denoisers, strict=True):
        for value in denoiser.parameters():
            torch.nn.init.normal_(value, std=0.05)  # those that begin as zero as well
        save_checkpoint(path, denoiser, 0.05, {})
    return paths


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A square of the demo's truth as a raster of its own."""
    with rasterio.open(TRUTH) as file:
        place = ((600, 600 + 192), (900, 900 + 192))
        profile = {**file.profile, "height": 192, "width": 192, "driver": "GTiff"}
        profile |= {"transform": file.window_transform(place), "compress": "deflate"}
        profile.pop("photometric", None)
        with rasterio.open(tmp_path / "scene.tif", "w", **profile) as out:
            out.write(file.read(window=place))
    return tmp_path / "scene.tif"


def test_the_command_writes_tables_and_pictures(
    tmp_path: Path,
    scene: Path,
    checkpoints: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The command sets GDAL up for its process, which here is that of all tests.
    monkeypatch.setattr("tileserver.cli.LIBRARY_ENVIRONMENT", {})
    report = tmp_path / "report"
    arguments = [f"meadow={scene}", "--factor", "2", "--checkpoint", checkpoints[0]]
    arguments += ["--report", report, "--sheet", scene, "--uncertainty", scene]
    done = CliRunner().invoke(main, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    tables = {t["title"]: t for t in json.loads((report / "report.json").read_text())}
    scored = {row[0]: row for row in tables["meadow, x2"]["rows"]}
    assert {"bicubic", "Lanczos", "cubic, consistent", "tiny, 2 steps"} <= set(scored)
    columns = tables["meadow, x2"]["columns"]
    drift = columns.index("drift, levels")
    assert scored["tiny, 2 steps"][drift] < 0.3 < scored["bicubic"][drift]
    assert "| bicubic |" in (report / "report.md").read_text()
    with Image.open(report / "sheet-x2.webp") as sheet:
        assert sheet.width > 1000
    assert (report / "calibration-x2.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_every_rule_is_drawn_with_local_and_with_global_context(
    checkpoints: tuple[Path, Path],
) -> None:
    truth = middle(TRUTH, 192)
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}
    table = fusion_table(checkpoints, Sample(area_mean(truth, 2), truth), metrics)
    rows = {str(row[0]): row for row in table.rows}
    assert len(rows) == 9
    local = {name.split(": ")[1]: row for name, row in rows.items() if name.startswith("tiny:")}
    psnr = COLUMNS.index("PSNR dB")
    # One picture by whatever evaluation; a rule that is wrong gives another.
    assert local["sdvc"][psnr] == pytest.approx(local["window (ours)"][psnr], abs=1e-3)
    assert local["sdvc"][psnr] == pytest.approx(local["vcf"][psnr], abs=1e-3)
    assert local["sdvc"][psnr] != pytest.approx(local["average"][psnr], abs=1e-3)
    assert all(float(row[COLUMNS.index("seconds")]) > 0 for row in rows.values())


def test_large_pictures_are_judged_by_crops_spread_over_them() -> None:
    found = truths(TRUTH, None, crops=4)
    assert [picture.shape for picture in found] == [(3, 512, 512)] * 4
    assert len({picture.mean() for picture in found}) == 4


def test_peers_draw_tile_by_tile() -> None:
    low = truths(TRUTH, 1)[0][:, :256, :256]
    (way,) = (w for w in ways(2, (), (_nearest(),)) if w.name == "nearest")
    np.testing.assert_array_equal(way.enlarge(low), low.repeat(2, axis=1).repeat(2, axis=2))


def _nearest() -> Peer:
    return Peer("nearest", 2, lambda levels: levels.repeat(2, axis=0).repeat(2, axis=1))


def test_served_pictures_are_paired_with_the_truth_of_the_same_ground(tmp_path: Path) -> None:
    with rasterio.open(TRUTH) as file:
        levels, profile = file.read(), {**file.profile, "driver": "GTiff"}
        profile.pop("photometric", None)
        coarse = levels[:, 1 : 1 + 2400, 2 : 2 + 2200].reshape(3, 1200, 2, 1100, 2).mean((2, 4))
        transform = file.transform * file.transform.translation(2, 1) * file.transform.scale(2)
        profile |= {"height": 1200, "width": 1100, "transform": transform, "compress": "deflate"}
        with rasterio.open(tmp_path / "served.tif", "w", **profile) as out:
            out.write(np.rint(coarse).astype(np.uint8))
    samples = served_samples(tmp_path / "served.tif", TRUTH)
    assert len(samples) == 4
    for sample in samples:
        assert np.abs(area_mean(sample.truth, 2) - sample.low).max() <= 1.01 / 255


def test_a_denoiser_with_global_context_is_not_served(checkpoints: tuple[Path, Path]) -> None:
    local, wide = checkpoints
    assert local_checkpoint(local, "cpu").denoiser.local
    with pytest.raises(StartupError, match=r"tiny-global.safetensors: has global context"):
        local_checkpoint(wide, "cpu")
