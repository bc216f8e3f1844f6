"""Runs that are interrupted, resumed, repeated and changed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from engine.window import Window
from tests.support.commands import call_overzoom
from tests.support.scenes import WORK, colours, write
from tileserver.catalogue.probing import describe_machine
from tileserver.offline.upscaling import command, drawing, upscale
from tileserver.offline.upscaling.mosaic import write_mosaic
from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED

MARK = 77


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A source, and the place of a result that Ctrl-C stopped after its first strip.

    The strip is marked: drawn again it would lose the mark.
    """
    source, out = write(tmp_path / "in.tif", colours(140, 60)), tmp_path / "out.tif"
    monkeypatch.setattr(drawing, "BLOCK_PX", 256)
    with monkeypatch.context() as patch:
        patch.setattr(drawing.Drawing, "picture", interrupted(drawing.Drawing.picture, row=256))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:  # a process in the background has the signal ignored
            done = call_overzoom("upscale", source, out)
        finally:
            signal.signal(signal.SIGINT, before)
    assert done.exit_code == 130
    assert done.stderr.splitlines() == ["overzoom: stopped; the same command resumes"]
    assert not out.exists()
    (strip,) = (tmp_path / "out.tif.parts").glob("strip-*.tif")
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(strip, "r+") as file:
        file.write(np.full((1, 8, 8), MARK, np.uint8), [1], window=((0, 8), (0, 8)))
    return source, out


Picture = Callable[[drawing.Drawing, Window], tuple[NDArray[Any], NDArray[np.bool_]]]


def interrupted(picture: Picture, row: int) -> Picture:
    """The same, but that Ctrl-C is pressed at this row."""

    def draw(self: drawing.Drawing, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if window.row == row:
            signal.raise_signal(signal.SIGINT)
        return picture(self, window)

    return draw


def is_marked(path: Path) -> bool:
    with rasterio.open(path) as file:
        return bool((file.read(1)[:8, :8] == MARK).all())


def test_the_same_command_resumes(stopped: tuple[Path, Path]) -> None:
    source, out = stopped
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    assert is_marked(out)
    assert [path.name for path in sorted(out.parent.iterdir())] == ["in.tif", "out.tif"]


CHANGES = ("--factor 4", "--detail 0.5", "--steps 1", "--noise-seed 5", "--range 0 200")


@pytest.mark.parametrize("change", [*CHANGES, "device", "release", "source"])
def test_strips_of_another_run_or_device_are_not_resumed(
    stopped: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    source, out = stopped
    model, release = describe_machine("cpu")
    if change == "device":
        monkeypatch.setattr(drawing, "describe_machine", lambda device: ("another", release))
    elif change == "release":
        monkeypatch.setattr(drawing, "describe_machine", lambda device: (model, "0.0"))
    elif change == "source":
        write(source, colours(140, 60)[::-1].copy())
    options = change.split() if change in CHANGES else []
    done = call_overzoom("upscale", source, out, *options)
    assert done.exit_code == 0, done.stderr
    assert not is_marked(out)


def test_a_finished_file_leaves_the_strips_of_another_run(stopped: tuple[Path, Path]) -> None:
    source, out = stopped
    parts, aside = out.with_name("out.tif.parts"), out.with_name("aside")
    parts.rename(aside)
    assert call_overzoom("upscale", source, out, "--factor", 4).exit_code == 0
    assert not parts.exists()
    aside.rename(parts)
    assert call_overzoom("upscale", source, out, "--factor", 4).exit_code == 0
    assert parts.exists()
    done = call_overzoom("upscale", source, out, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert is_marked(out)
    assert not parts.exists()


def test_strips_of_a_finished_file_are_removed(stopped: tuple[Path, Path]) -> None:
    source, out = stopped
    parts, aside = out.with_name("out.tif.parts"), out.with_name("aside")
    shutil.copytree(parts, aside)
    assert call_overzoom("upscale", source, out).exit_code == 0
    aside.rename(parts)  # as where the run was killed just before it removed them
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert not parts.exists()


def damage(parts: Path, kind: str) -> None:
    """Leave a folder of strips as a loss of power or a full disk may."""
    strip, part = parts / "strip-000000000.tif", parts / "strip-000000256-000000000.npy"
    if kind == "strip cut":
        os.truncate(strip, strip.stat().st_size // 2)
    elif kind == "strip empty":
        strip.write_bytes(b"")
    elif kind == "part empty":
        part.write_bytes(b"")
    elif kind == "part cut":
        np.save(part, np.zeros((3, 24, 120), np.uint8))
        os.truncate(part, part.stat().st_size - 100)
    elif kind == "half a strip":
        part.with_name("strip-000000256.partial").write_bytes(b"II*\0\xff\xff\xff\x7f")
    else:
        for file in parts.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    "kind", ["strip cut", "strip empty", "part empty", "part cut", "half a strip", "nothing left"]
)
def test_what_is_damaged_is_drawn_again(stopped: tuple[Path, Path], kind: str) -> None:
    source, out = stopped
    damage(out.with_name("out.tif.parts"), kind)
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    assert is_marked(out) == (kind in ("part empty", "part cut", "half a strip"))
    assert [path.name for path in sorted(out.parent.iterdir())] == ["in.tif", "out.tif"]
    other = out.with_name("other.tif")
    assert call_overzoom("upscale", source, other).exit_code == 0
    with rasterio.open(out) as one, rasterio.open(other) as another:
        np.testing.assert_array_equal(one.read()[:, 8:], another.read()[:, 8:])


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_a_disk_that_is_full_at_the_last_bytes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, whole = write(tmp_path / "in.tif", colours()), tmp_path / f"whole-{name}"
    upscale(source, whole, WORK)
    out, room = tmp_path / name, whole.stat().st_size - 10
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_short(*arguments: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            write_mosaic(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(command, "write_mosaic", write_short)
        done = call_overzoom("upscale", source, out)
    assert done.exit_code == 1, done.stdout
    assert f"{out}: cannot be written" in done.stderr
    assert not out.exists()
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    assert out.read_bytes() == whole.read_bytes()


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Path, Path]:
    """A source and its result."""
    source, out = write(tmp_path / "in.tif", colours()), tmp_path / "out.tif"
    upscale(source, out, WORK)
    return source, out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--factor", "4"], "factor 2, not 4"),
        (["--detail", "0.25"], "detail 0.7, not 0.25"),
        (["--noise-seed", "3"], "noise seed 0, not 3"),
        (["--steps", "1"], "steps 2, not 1"),
        (["--compression", "zstd"], "compression deflate, not zstd"),
        (["--range", "0", "100"], "range 0.0 to 255.0, not 0.0 to 100.0"),
    ],
)
def test_a_finished_result_of_other_settings_is_kept(
    finished: tuple[Path, Path], options: list[str], reason: str
) -> None:
    source, out = finished
    before = out.read_bytes()
    done = call_overzoom("upscale", source, out, *options)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"overzoom: {out}: exists, made by this command from in.tif")
    assert f"({reason});" in line
    assert line.endswith("--overwrite replaces it")
    assert out.read_bytes() == before
    assert not out.with_name("out.tif.parts").exists()
    done = call_overzoom("upscale", source, out, *options, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert out.read_bytes() != before


def test_a_finished_result_of_another_source_or_checkpoint_is_kept(
    finished: tuple[Path, Path], bundled_checkpoint: Path
) -> None:
    source, out = finished
    done = call_overzoom("upscale", source, out, "--checkpoint", bundled_checkpoint)
    assert done.exit_code == 1
    assert "checkpoint small, not compact" in done.stderr
    other = write(source.with_name("other.tif"), colours()[:1])
    done = call_overzoom("upscale", other, out, "--checkpoint", bundled_checkpoint)
    assert done.exit_code == 1
    assert "from in.tif with other settings (version of the source" in done.stderr


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_a_run_that_is_finished_has_nothing_to_do(tmp_path: Path, name: str) -> None:
    source, out, error = (
        write(tmp_path / "in.tif", colours()),
        tmp_path / name,
        tmp_path / "error.tif",
    )
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    size = f"{out.stat().st_size / 1e6:,.1f} MB"
    kind = "png" if name.endswith("png") else "deflate"
    assert done.stdout == f"{out}: written, 96 x 96 px of 5 metre, {size} ({kind})\n"
    assert done.stderr == ""  # no progress where nobody watches
    before = out.stat().st_mtime_ns, out.stat().st_ino  # reading may change the time of access
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{out}: finished by an earlier run with these settings")
    done = call_overzoom("upscale", source, out, "--uncertainty", error)
    assert done.exit_code == 0, done.stderr
    (one, other) = done.stdout.splitlines()
    assert one.startswith(f"{out}: finished by an earlier run with these settings")
    assert other.startswith(f"{error}: written, 96 x 96 px of 5 metre, ")
    assert (out.stat().st_mtime_ns, out.stat().st_ino) == before


def test_an_uncertainty_map_is_not_the_picture(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.tif", colours()), tmp_path / "out.tif"
    upscale(source, tmp_path / "error.tif", WORK, out)
    done = call_overzoom("upscale", source, out)
    assert done.exit_code == 1
    assert "(content standard deviation of the error, not detail finer than 1/2" in done.stderr


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.tif", colours()), tmp_path / "out.tif"
    for content in (b"", b"not a raster", source.read_bytes()):
        out.write_bytes(content)
        done = call_overzoom("upscale", source, out)
        assert done.exit_code == 1
        (line,) = done.stderr.splitlines()
        assert line.endswith("exists, but was not made by this command; --overwrite replaces it")
        assert out.read_bytes() == content
    beside = out.with_name("out.tif.aux.xml")
    beside.write_text(
        "<PAMDataset><PAMRasterBand band='1'><Scale>9</Scale></PAMRasterBand></PAMDataset>"
    )
    done = call_overzoom("upscale", source, out, "--overwrite")
    assert done.exit_code == 0, done.stderr
    with rasterio.open(out) as file:
        assert file.tags()["OVERZOOM_FACTOR"] == "2"
        assert file.scales[0] == 1  # what lay beside the other file is not taken for this one's


@pytest.mark.parametrize("seed", [MAX_NOISE_SEED + 1, MIN_NOISE_SEED - 1])
def test_a_noise_seed_that_no_server_has_is_refused_in_a_line(tmp_path: Path, seed: int) -> None:
    done = call_overzoom("upscale", "in.tif", tmp_path / "out.tif", "--noise-seed", seed)
    assert done.exit_code == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"Error: Invalid value for '--noise-seed': {seed} is not in the range")


@pytest.mark.parametrize("seed", [MIN_NOISE_SEED, MAX_NOISE_SEED])
def test_the_outermost_noise_seeds_draw(tmp_path: Path, seed: int) -> None:
    source, out = write(tmp_path / "in.tif", colours()), tmp_path / "out.tif"
    done = call_overzoom("upscale", source, out, "--noise-seed", seed)
    assert done.exit_code == 0, done.stderr


def test_a_range_that_is_not_finite_is_refused_in_a_line(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", colours())
    for most in ("inf", "nan"):
        done = call_overzoom("upscale", source, tmp_path / "out.tif", "--range", 0, most)
        assert done.exit_code == 1
        assert done.stderr == f"overzoom: --range 0.0 {most}: not two finite numbers\n"


def test_an_unknown_device_is_refused_in_a_line(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", colours())
    done = call_overzoom("upscale", source, tmp_path / "out.tif", "--device", "abacus")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "cannot be put on device 'abacus'" in line


def test_a_source_that_is_cut_off_is_what_cannot_be_read(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", colours(300, 300))
    source.write_bytes(source.read_bytes()[:150_000])
    done = call_overzoom("upscale", source, tmp_path / "out.tif")
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("overzoom")]
    assert line.startswith(f"overzoom: {source}: cannot be read (")
