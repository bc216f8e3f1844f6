"""The report: every experiment on a small scene, with an untrained denoiser."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from click.testing import CliRunner
from PIL import Image

from engine.errors import CheckpointError
from engine.evaluation.global_unet import KINDS, GlobalConfig, GlobalDenoiser
from engine.evaluation.scores import Score
from engine.network.checkpoint import load_checkpoint, save_checkpoint
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.network.network import Network
from engine.network.pair import SigmaData
from engine.perceptual import PerceptualDistance
from tests.support.span import span_parameters
from tileserver.checkpoints import local_checkpoint
from tileserver.cli.main import main
from tileserver.lab.columns import SCORED
from tileserver.lab.enlargements import (
    COLUMNS,
    Sample,
    area_mean,
    read_truths,
    reduce_truths,
    score_methods,
)
from tileserver.lab.evaluating import crop_middle, read_served_samples
from tileserver.lab.fusion import fusion_table
from tileserver.lab.methods import list_methods
from tileserver.lab.peers import Peer, load_span_peers

TRUTH = Path(__file__).parents[3] / "deploy" / "demo" / "yellowstone_10cm_truth.tif"


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
        save_checkpoint(path, denoiser, SigmaData(0.05, 0.03), {})
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


@pytest.mark.slow
def test_the_command_writes_tables_and_pictures(
    tmp_path: Path,
    scene: Path,
    checkpoints: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The command sets GDAL up for its process, which here is that of all tests.
    monkeypatch.setattr("tileserver.cli.environment.LIBRARY_ENVIRONMENT", {})
    report = tmp_path / "report"
    arguments = [f"meadow={scene}", "--factor", "2", "--checkpoint", checkpoints[0]]
    arguments += ["--report", report, "--uncertainty", scene]
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


def test_an_evaluation_of_nothing_is_refused() -> None:
    done = CliRunner().invoke(main, ["evaluate"])
    assert done.exit_code == 2
    assert "name pictures, or --sheet, --served" in done.stderr


@pytest.mark.slow
def test_every_rule_is_drawn_with_local_and_with_global_context(
    checkpoints: tuple[Path, Path],
) -> None:
    truth = crop_middle(TRUTH, 192)
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}
    table = fusion_table(checkpoints, Sample(area_mean(truth, 2), truth), metrics, steps=2)
    rows = {str(row[0]): row for row in table.rows}
    assert len(rows) == 9
    local = {name.split(": ")[1]: row for name, row in rows.items() if name.startswith("tiny:")}
    psnr = table.columns.index("PSNR dB")
    # One picture by whatever evaluation; a rule that is wrong gives another.
    assert local["sdvc"][psnr] == pytest.approx(local["window (ours)"][psnr], abs=1e-3)
    assert local["sdvc"][psnr] == pytest.approx(local["vcf"][psnr], abs=1e-3)
    assert local["sdvc"][psnr] != pytest.approx(local["average"][psnr], abs=1e-3)
    assert all(float(row[table.columns.index("seconds")]) > 0 for row in rows.values())


def test_large_pictures_are_judged_by_crops_spread_over_them() -> None:
    found = read_truths(TRUTH, None, crops=4)
    assert [picture.shape for picture in found] == [(3, 512, 512)] * 4
    assert len({picture.mean() for picture in found}) == 4


def test_peers_draw_tile_by_tile() -> None:
    low = read_truths(TRUTH, 1)[0][:, :256, :256]
    (method,) = (w for w in list_methods(2, (), (_nearest(2),)) if w.name == "nearest")
    np.testing.assert_array_equal(method.enlarge(low), low.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(("scale", "factors"), [(2, {2}), (4, {2, 4, 8})])
def test_peers_are_halved_or_doubled_where_there_is_no_nearer_model(
    scale: int, factors: set[int]
) -> None:
    peer = replace(_nearest(scale), only_scale=True)
    low = read_truths(TRUTH, 1)[0][:, :64, :64]
    for factor in (2, 4, 8):
        found = [method for method in list_methods(factor, (), (peer,)) if method.name == "nearest"]
        assert bool(found) == (factor in factors)
        for method in found:
            assert method.enlarge(low).shape == (3, 64 * factor, 64 * factor)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_projected_peer_averages_to_its_data(factor: int) -> None:
    low = read_truths(TRUTH, 1)[0][:, :64, :64]
    dark = Peer("dark", 4, lambda levels: _nearest(4).upscale(levels) // 2, True, projected=True)
    (method,) = (w for w in list_methods(factor, (), (dark,)) if w.name == "dark")
    np.testing.assert_allclose(area_mean(method.enlarge(low), factor), low, atol=1 / 255)


def test_span_is_a_peer_with_and_without_projection(tmp_path: Path) -> None:
    torch.save(span_parameters(), tmp_path / "span_x4.pth")
    alone, projected = load_span_peers(tmp_path)
    assert (alone.name, projected.name) == ("SPAN x4", "SPAN x4, projected")
    levels = np.zeros((8, 6, 3), np.uint8)
    assert alone.upscale(levels).shape == (32, 24, 3)
    assert projected.projected
    assert not alone.projected


def test_pictures_too_small_for_a_factor_are_left_out() -> None:
    small, large = np.zeros((3, 248, 512), np.float32), np.zeros((3, 256, 512), np.float32)
    assert [sample.low.shape for sample in reduce_truths([small, large], 8)] == [(3, 32, 64)]
    assert len(reduce_truths([small, large], 4)) == 2


def test_every_column_is_explained() -> None:
    truth = read_truths(TRUTH, 1)[0][:, :128, :128]
    table = score_methods(
        "meadow", "One crop.", reduce_truths([truth], 2), list_methods(2, (), ())[:1], {}
    )
    assert table.columns == ("method", *COLUMNS)
    assert len(table.rows[0]) == len(table.columns)
    assert [field.name for field in fields(Score)][:4] == ["haarpsi", "fsim", "vifp", "mdsi"]
    assert len(SCORED) == len(fields(Score))
    for name, meaning in COLUMNS.items():
        assert f"- {name}: {meaning}" in table.note
        assert meaning.endswith(".")


def _nearest(scale: int) -> Peer:
    return Peer("nearest", scale, lambda levels: levels.repeat(scale, 0).repeat(scale, 1))


def test_served_pictures_are_paired_with_the_truth_of_the_same_ground(tmp_path: Path) -> None:
    with rasterio.open(TRUTH) as file:
        levels, profile = file.read(), {**file.profile, "driver": "GTiff"}
        profile.pop("photometric", None)
        coarse = levels[:, 1 : 1 + 2400, 2 : 2 + 2200].reshape(3, 1200, 2, 1100, 2).mean((2, 4))
        transform = file.transform * file.transform.translation(2, 1) * file.transform.scale(2)
        profile |= {"height": 1200, "width": 1100, "transform": transform, "compress": "deflate"}
        with rasterio.open(tmp_path / "served.tif", "w", **profile) as out:
            out.write(np.rint(coarse).astype(np.uint8))
    samples = read_served_samples(tmp_path / "served.tif", TRUTH)
    assert len(samples) == 4
    for sample in samples:
        assert np.abs(area_mean(sample.truth, 2) - sample.low).max() <= 1.01 / 255


def test_a_denoiser_with_global_context_is_not_served(checkpoints: tuple[Path, Path]) -> None:
    local, wide = checkpoints
    assert local_checkpoint(local, "cpu").denoiser.local
    with pytest.raises(CheckpointError, match=r"tiny-global.safetensors: has global context"):
        local_checkpoint(wide, "cpu")
    done = CliRunner().invoke(main, ["info", str(TRUTH), "--checkpoint", str(wide)])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"overzoom: {wide}: has global context")
    assert not load_checkpoint(wide, kinds=KINDS).denoiser.local
