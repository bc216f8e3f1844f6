"""The mean of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import TrainingError
from engine.network.checkpoint import load_checkpoint, save_checkpoint
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.network.pair import SigmaData
from engine.training.averaging import average_checkpoints
from tests.support.checkpoint import SIGMA_DATA, small_denoiser


def test_the_mean_of_checkpoints_is_one_of_theirs(tmp_path: Path) -> None:
    one, other = small_denoiser(), small_denoiser()
    with torch.no_grad():
        for value in other.parameters():
            value.mul_(3.0)
    paths = [tmp_path / "a" / "checkpoint.safetensors", tmp_path / "b" / "checkpoint.safetensors"]
    for path, denoiser in zip(paths, (one, other), strict=True):
        save_checkpoint(path, denoiser, SIGMA_DATA, {"from": path.parent.name})
    average_checkpoints(paths, tmp_path / "mean.safetensors")
    mean = load_checkpoint(tmp_path / "mean.safetensors")
    for name, value in mean.denoiser.state_dict().items():
        torch.testing.assert_close(value, 2 * one.state_dict()[name])
    assert mean.card == {"average": [{"from": "a"}, {"from": "b"}]}
    assert mean.calibrations == ()


@pytest.mark.parametrize("differs", ["shape", "scale"])
def test_checkpoints_that_do_not_fit_are_refused(tmp_path: Path, differs: str) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_checkpoint(first, small_denoiser(), SIGMA_DATA, {})
    config = NetworkConfig(width=24, encoder_blocks=1, denoiser_blocks=1)
    denoiser = LocalDenoiser(config) if differs == "shape" else small_denoiser()
    scale = SIGMA_DATA if differs == "shape" else SigmaData(1.0, 1.0)
    save_checkpoint(second, denoiser, scale, {})
    with pytest.raises(TrainingError, match=r"second\.safetensors: is of another shape or scale"):
        average_checkpoints([first, second], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
