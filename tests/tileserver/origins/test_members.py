"""Files and their signatures: from when on every change is sure to be seen."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.changing import aged
from tileserver.origins import members
from tileserver.origins.members import LocalFile, LocalFolder, Signature

HOUR = 3600.0


def test_the_time_that_programs_set_decides_not_whether_a_file_may_change_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    monkeypatch.setattr(members, "SETTLED_SECONDS", HOUR)
    assert not LocalFile(aged(path)).settled(), "it was written just now"
    later = time.time() + 3 * HOUR
    os.utime(path, (later, later))
    monkeypatch.setattr(members, "SETTLED_SECONDS", -HOUR)
    assert LocalFile(path).settled(), "as if it was written an hour ago"


def test_a_file_of_the_future_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, digest = list[Path](), LocalFile._digest

    def noted(file: LocalFile) -> str:
        read.append(file.path)
        return digest(file)

    monkeypatch.setattr(LocalFile, "_digest", noted)
    monkeypatch.setattr(members, "SETTLED_SECONDS", -HOUR)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    later = time.time() + 3 * HOUR
    os.utime(path, (later, later))
    assert len({LocalFile(path).digest() for _ in range(3)}) == 1
    assert read == [path]


def test_a_folder_changes_with_its_rasters_and_folders_alone(tmp_path: Path) -> None:
    folder, signatures = LocalFolder(tmp_path), list[Signature]()
    for name in ("a.TIF", ".b.tif.Xy12", "b.part", "notes.txt", "b.tif"):
        (tmp_path / name).touch()
        signatures.append(folder.signature())
    (tmp_path / "nested").mkdir()
    assert signatures == [("a.TIF",)] * 4 + [("a.TIF", "b.tif")]
    assert folder.signature() == ("a.TIF", "b.tif", "nested")
