"""The command line: exit codes, and one line of reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
import torch

from engine.network.checkpoint import load_checkpoint
from tests.support.commands import call_overzoom, command_of
from tests.support.rasters import SCENE, cut, full_disk
from tests.support.server import running
from tests.support.tiles import WEB_MERCATOR, decoded
from tests.support.waiting import wait_until


def test_info_prints_what_would_be_served() -> None:
    done = call_overzoom("info", SCENE)
    assert done.exit_code == 0, done.stderr
    described = json.loads(done.stdout)
    assert described["id"] == "yellowstone_20cm"
    assert described["bands"] == 3
    assert described["native_zoom"] == 19
    assert described["full_resolution_zoom"] == 19
    assert described["served_zooms"] == [0, 22]
    sizes = {"imagery": 0.2, "native": 0.2112, "finest": 0.0264}
    assert described["pixel_metres"] == pytest.approx(sizes, rel=0.002)
    assert len(described["fingerprint"]) == 16
    west, south, east, north = described["bounds"]
    assert -111 < west < east < -110
    assert 44 < south < north < 45


def test_info_prints_of_what_no_grid_reaches_what_there_is(tmp_path: Path) -> None:
    done = call_overzoom("info", full_disk(tmp_path / "disk.tif"))
    assert done.exit_code == 0, done.stderr
    described = json.loads(done.stdout)
    assert (described["height"], described["width"]) == (300, 300)
    assert [described[name] for name in ("bounds", "native_zoom", "served_zooms")] == [None] * 3


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["upscale", "--help"], ["serve", "missing.tif"]]
)
def test_help_and_bad_input_wait_for_no_large_library(arguments: list[str]) -> None:
    code = (
        "import sys; from tileserver.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print({'torch', 'fastapi', 'numpy', 'rasterio', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.slow
def test_a_folder_is_served_by_its_stems(tmp_path: Path) -> None:
    folder = tmp_path / "rasters"
    folder.mkdir()
    cut(folder / "meadow.tif", "rgb")
    cut(folder / "grey meadow.tif", "grey").rename(folder / "grey.tif")
    (folder / "notes.txt").write_text("not a raster, not served")
    with running(folder, cache=tmp_path / "cache") as server:
        assert [s["id"] for s in server.get("/sources.json").json()] == ["grey", "meadow"]
        centre = server.get("/grey/tilejson.json").json()["center"]
        tile = WEB_MERCATOR.tile(centre[0], centre[1], 20)
        answer = server.get(f"/grey/20/{tile.x}/{tile.y}.png")
        assert answer.headers["x-overzoom"] == "super-resolved"
        assert decoded(answer.content).ndim == 2, "grey stays grey"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["serve"], "nothing to serve"),
        (["serve", "missing.tif"], "missing.tif: no such file"),
        (["serve", "empty"], "empty: contains no raster"),
        (["serve", "text.tif"], "text.tif: not a raster"),
        (["serve", "text.tif", "placeless.tif"], "text.tif: not a raster"),
        (["serve", "placeless.tif"], "placeless.tif: has no coordinate reference system"),
        (["serve", "--config", "broken.yaml"], "broken.yaml: not a readable configuration"),
        (["serve", "--config", "wrong.yaml"], "sources.one: unknown setting 'pathh': did you mean"),
        (["serve", "good.tif", "--checkpoint", "text.tif"], "text.tif: not a readable safetensors"),
        (["serve", "good.tif", "--device", "nowhere"], "cannot be put on device 'nowhere'"),
        (["info", "text.tif"], "text.tif: not a raster"),
        (["train", "--data", "empty", "--run", "run"], "empty: contains no raster"),
    ],
)
def test_what_cannot_start_says_which_and_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tif").write_text("no raster")
    good = cut(tmp_path / "good.tif", "rgb")
    with rasterio.open(good) as scene:
        profile = {**scene.profile, "crs": None}
        with rasterio.open(tmp_path / "placeless.tif", "w", **profile) as out:
            out.write(scene.read())
    (tmp_path / "broken.yaml").write_text("sources: [")
    (tmp_path / "wrong.yaml").write_text("sources: {one: {pathh: good.tif}}")
    done = call_overzoom(*arguments)
    assert done.exit_code == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("overzoom: ")
    assert reason in lines[0]


@pytest.mark.slow
def test_training_writes_a_checkpoint_that_the_server_takes(tmp_path: Path, demo: Path) -> None:
    truth, run = demo / "yellowstone_10cm_truth.tif", tmp_path / "run"
    options = "--iterations 3 --batch-size 2 --crop-px 112 --width 16 --encoder-blocks 1"
    options += " --perceptual-weight 0"
    done = call_overzoom("train", "--data", f"{truth}=2", "--run", run, *options.split())
    assert done.exit_code == 0, done.stderr
    assert "images/s" in done.stderr
    assert (run / "samples.png").exists()
    done = call_overzoom("info", SCENE, "--checkpoint", run / "checkpoint.safetensors")
    assert json.loads(done.stdout)["checkpoint"] == "checkpoint"


@pytest.mark.slow
def test_training_that_was_killed_goes_on_where_it_had_saved(tmp_path: Path, demo: Path) -> None:
    truth, run = demo / "yellowstone_10cm_truth.tif", tmp_path / "run"
    options = "--batch-size 2 --crop-px 112 --width 16 --encoder-blocks 1 --perceptual-weight 0"
    arguments = ["train", "--data", truth, "--run", run, "--save-every-seconds", 0]
    command = command_of(*arguments, *options.split(), "--iterations", 100_000)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first:
        wait_until((run / "samples.png").exists)
        first.kill()
    saved = torch.load(run / "state.pt", weights_only=True)["iteration"]
    assert saved >= 1
    done = call_overzoom(*arguments, *options.split(), "--iterations", str(saved + 3))
    assert done.exit_code == 0, done.stderr
    card = load_checkpoint(run / "checkpoint.safetensors").card
    assert card["training"]["iterations_done"] == saved + 3
    assert "batch 1," not in done.stderr
