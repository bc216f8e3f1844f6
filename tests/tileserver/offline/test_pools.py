"""Pools of workers: what they promise, and what moves from process to process."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.window import Window
from tests.support.commands import call_overzoom
from tests.support.scenes import WORK, colours, write
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import CommandError, StartupError
from tileserver.offline.pools import Cluster, LocalPool, open_pool
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.parts import Part, PartWriter
from tileserver.offline.upscaling.scene import Scene
from tileserver.offline.upscaling.target import list_targets


def test_blocks_are_made_in_their_order_and_taken_one_at_a_time() -> None:
    taken = []

    def blocks() -> Iterator[int]:
        for number in range(4):
            taken.append(number)
            yield number

    results = LocalPool().run(str, blocks())
    assert taken == []
    assert next(results) == "0"
    assert taken == [0]
    assert list(results) == ["1", "2", "3"]


def test_what_a_block_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(LocalPool().run(lambda number: 1 / number, [1, 0]))


def test_without_ray_the_option_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tileserver.offline.ray_pool", raising=False)
    with pytest.raises(CommandError, match=r"Ray is not installed; pip install 'overzoom\[ray\]'"):
        open_pool(Cluster("auto"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:x"])
def test_an_address_without_a_cluster_is_said_in_one_line(tmp_path: Path, address: str) -> None:
    source = write(tmp_path / "in.tif", colours())
    done = call_overzoom("upscale", source, tmp_path / "out.tif", "--ray", address)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"overzoom: --ray {address}: no Ray cluster answers (")


def test_nothing_imports_ray_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    source = write(tmp_path / "in.tif", colours())
    done = call_overzoom("upscale", source, tmp_path / "out.tif")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--workers", "2"], "--workers, --cpus-per-worker and --gpus-per-worker need --ray"),
        (
            ["--ray", "auto", "--threads", "1"],
            "--threads cannot be combined with --ray; use --cpus-per-worker",
        ),
    ],
)
@pytest.mark.parametrize("command", [["upscale", "in.tif", "out.tif"], ["prerender", "in.tif"]])
def test_options_that_do_not_go_together_are_refused(
    command: list[str], options: list[str], reason: str
) -> None:
    done = call_overzoom(*command, *options)
    assert done.exit_code == 2
    assert reason in done.stderr


def test_what_draws_parts_is_opened_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write(Path("in.tif"), colours())
    drawing, writer = open_writer(source)
    window = Window(0, 0, 96, 96)
    here = writer(Part(window, tmp_path / "here.npy"))
    content = pickle.dumps(writer)
    monkeypatch.chdir("/")
    again = pickle.loads(content)
    assert again.drawing is not drawing
    there = again(Part(window, tmp_path / "there.npy"))
    assert there.path.read_bytes() == here.path.read_bytes()


def test_what_would_draw_other_pixels_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", colours())
    _, writer = open_writer(source)
    content = pickle.dumps(writer)
    write(source, colours()[::-1].copy())
    with pytest.raises(StartupError, match="would draw other pixels than the machine that"):
        pickle.loads(content)


def open_writer(source: Path) -> tuple[Drawing, PartWriter]:
    scene = Scene(source, WORK.value_range)
    drawing = Drawing(scene, local_checkpoint(WORK.checkpoint, WORK.device), WORK)
    (target,) = list_targets(scene, source.with_name("out.tif"), None, WORK)
    return drawing, PartWriter(drawing, target)
