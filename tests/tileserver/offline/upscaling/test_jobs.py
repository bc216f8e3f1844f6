"""Folders of rasters: which files are made of them, and what becomes of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio

from tests.support.commands import call_overzoom
from tests.support.scenes import SIDE, colours, write
from tileserver.errors import StartupError
from tileserver.offline.upscaling import Job, list_jobs


def test_all_rasters_of_a_folder_are_upscaled_whatever_becomes_of_one(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "in" / "fine"
    (folder / "deep").mkdir(parents=True)
    write(folder / "one.tif", colours())
    write(folder / "deep" / "two.tif", colours())
    (folder / "bad.tif").write_text("no raster")
    done = call_overzoom("upscale", folder, out)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "bad.tif: " in line
    assert done.stdout.splitlines()[-1] == "2 of 3 rasters written, 1 failed"
    for name in ("one.tif", "deep/two.tif"):
        with rasterio.open(out / name) as file:
            assert file.shape == (2 * SIDE, 2 * SIDE)
    (folder / "bad.tif").unlink()
    done = call_overzoom("upscale", folder, out)  # what it made is no source
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("nothing to do") == 2


def test_rasters_that_share_a_stem_get_files_of_their_own(tmp_path: Path) -> None:
    for name in ("a.tif", "a.png", "b.jpg"):
        (tmp_path / name).touch()
    out, error = tmp_path / "out", tmp_path / "error"
    assert list_jobs(tmp_path, out, error) == [
        Job(tmp_path / "a.png", out / "a.png.tif", error / "a.png.tif"),
        Job(tmp_path / "a.tif", out / "a.tif.tif", error / "a.tif.tif"),
        Job(tmp_path / "b.jpg", out / "b.tif", error / "b.tif"),
    ]


@pytest.mark.parametrize("names", [("out.tif", None), ("", None), ("out", "out"), ("out", "")])
def test_results_of_a_folder_go_to_other_folders(
    tmp_path: Path, names: tuple[str, str | None]
) -> None:
    (tmp_path / "a.tif").touch()
    out, error = (None if name is None else tmp_path / name for name in names)
    assert out is not None
    with pytest.raises(StartupError, match=r"must be (one as well|different folders)"):
        list_jobs(tmp_path, out, error)
