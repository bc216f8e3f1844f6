"""Checkpoints by path and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import CheckpointError
from tileserver import checkpoints
from tileserver.checkpoints import COMPACT, find_checkpoint


def test_checkpoints_are_found_by_path_and_by_a_bundled_ones_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(None) == checkpoints.bundled()
    assert find_checkpoint(Path("compact")) == COMPACT
    assert find_checkpoint(Path("mine.safetensors")) == Path("mine.safetensors")
    assert find_checkpoint(Path("runs/compact")) == Path("runs/compact")
    with pytest.raises(
        CheckpointError, match=r"huge: no such file, and no bundled .*\(compact, large\)"
    ):
        find_checkpoint(Path("huge"))
    Path("compact").touch()  # a file of that name comes first
    assert find_checkpoint(Path("compact")) == Path("compact")
