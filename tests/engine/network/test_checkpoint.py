from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import CheckpointError
from engine.evaluation.global_unet import BUNDLED, KINDS
from engine.network.calibration import Calibration
from engine.network.checkpoint import (
    FORMAT,
    METADATA_KEY,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from engine.network.local import NetworkConfig
from engine.network.pair import SigmaData
from tileserver.checkpoints import COMPACT


@pytest.fixture
def path(tmp_path: Path, small: Checkpoint) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, small.denoiser, small.sigma_data, {"note": "for tests"})
    return path


def test_a_saved_checkpoint_loads_as_it_was(path: Path, small: Checkpoint) -> None:
    loaded = load_checkpoint(path)
    assert loaded.name == "tiny"
    assert loaded.card == {"note": "for tests"}
    assert loaded.sigma_data == small.sigma_data
    for name, value in small.denoiser.state_dict().items():
        assert torch.equal(loaded.denoiser.state_dict()[name], value)
    assert list(path.parent.iterdir()) == [path]


def test_the_fingerprint_follows_parameters_and_not_remarks(path: Path, small: Checkpoint) -> None:
    first = load_checkpoint(path).fingerprint
    save_checkpoint(path, small.denoiser, small.sigma_data, {"note": "another"})
    assert load_checkpoint(path).fingerprint == first
    save_checkpoint(path, small.denoiser, SigmaData(0.1, 0.06), {})
    assert load_checkpoint(path).fingerprint != first


@pytest.mark.parametrize("path", [COMPACT, BUNDLED])
def test_bundled_checkpoints_are_small_and_say_where_they_come_from(path: Path) -> None:
    assert path.stat().st_size < 20e6
    runs = list(_runs(load_checkpoint(path, kinds=KINDS).card))
    assert all(run["collections"]["naip_60cm"] > 0 for run in runs)
    assert sum(run["iterations_done"] for run in runs) >= (1_000 if path == COMPACT else 50)


def _runs(card: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All runs of training that a checkpoint comes from, those of averaged ones too."""
    if "training" in card:
        yield card["training"]
    for origin in [*card.get("average", ()), *([card["initial"]] if "initial" in card else ())]:
        yield from _runs(origin)


def _rewritten(path: Path, metadata: dict[str, str]) -> None:
    save_file({"x": torch.zeros(1)}, path, metadata)


def test_unusable_files_give_one_error_that_names_the_file(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    bad = tmp_path / "bad.safetensors"

    def refused(reason: str) -> None:
        with pytest.raises(CheckpointError, match=reason) as caught:
            load_checkpoint(bad)
        assert str(bad) in str(caught.value)

    refused("not a readable")  # missing
    bad.write_bytes(content[: len(content) // 2])
    refused("not a readable")
    bad.write_bytes(b"no such format")
    refused("not a readable")
    _rewritten(bad, {})
    refused("not an Overzoom checkpoint")
    header = {"format": FORMAT, "network": {"width": 24}, "sigma_data": [0.05, 0.03]}
    _rewritten(bad, {METADATA_KEY: json.dumps(header)})
    refused("do not fit")
    _rewritten(bad, {METADATA_KEY: json.dumps({**header, "format": "another"})})
    refused("format 'another'")
    _rewritten(bad, {METADATA_KEY: json.dumps({**header, "context": "global"})})
    refused("has global context")
    _rewritten(bad, {METADATA_KEY: json.dumps({**header, "network": {"width": -1}})})
    refused("not an Overzoom checkpoint")


def test_numbers_that_are_not_finite_are_refused(path: Path, small: Checkpoint) -> None:
    broken = load_checkpoint(path).denoiser
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    save_checkpoint(path, broken, small.sigma_data, {})
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(path)


def test_a_network_of_no_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        NetworkConfig(width=0)


def test_calibrations_are_kept_and_belong_to_the_fingerprint(small: Checkpoint, path: Path) -> None:
    before = load_checkpoint(path)
    assert before.calibration(1) == Calibration()
    first, second = Calibration(2.0, 0.01, (1.0, 1.5, 2.0)), Calibration(3.0)
    save_checkpoint(path, small.denoiser, small.sigma_data, {}, (first, second))
    after = load_checkpoint(path)
    assert (after.calibration(1), after.calibration(2), after.calibration(5)) == (
        first,
        second,
        second,
    )
    assert after.fingerprint != before.fingerprint
