"""Averages the parameters of checkpoints that share their beginning ("model soup").

Runs that began from one checkpoint lie close enough for the mean of their parameters to work as
well as any of them, and its errors are smaller (Wortsman et al., arXiv:2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from engine.errors import TrainingError
from engine.network.checkpoint import load_checkpoint, save_checkpoint


@torch.no_grad()
def average_checkpoints(paths: Sequence[Path], to: Path) -> None:
    """Write the mean of checkpoints of one shape and scale; its uncertainty is not calibrated.

    Raises TrainingError where shapes or scales differ.
    """
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        if (other.denoiser.config, other.sigma_data) != (first.denoiser.config, first.sigma_data):
            raise TrainingError(f"{path}: is of another shape or scale than {paths[0]}")
    states = [checkpoint.denoiser.state_dict() for checkpoint in checkpoints]
    first.denoiser.load_state_dict(
        {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}
    )
    card = {"average": [checkpoint.card for checkpoint in checkpoints]}
    save_checkpoint(to, first.denoiser, first.sigma_data, card)
