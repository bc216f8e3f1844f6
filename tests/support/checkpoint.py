"""A checkpoint of seconds' work less: what draws in every test that is not about the picture.

The one place where tests say what a small network is made of.
"""

from __future__ import annotations

from pathlib import Path

import torch

from engine.network.checkpoint import save_checkpoint
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.network.pair import SigmaData

SIGMA_DATA = SigmaData(0.05, 0.03)
"""Standard deviation of residual bands, about that of the demo scene."""


def small_denoiser(width: int = 16, noise_seed: int = 0) -> LocalDenoiser:
    """A denoiser whose every parameter counts: zero-initialised ones are drawn as well."""
    with torch.random.fork_rng():
        torch.manual_seed(noise_seed)
        denoiser = LocalDenoiser(NetworkConfig(width, encoder_blocks=1, denoiser_blocks=1))
        with torch.no_grad():
            for parameter in denoiser.parameters():
                if not parameter.any():
                    parameter.copy_(torch.randn_like(parameter) * 0.1)
    return denoiser.requires_grad_(False).eval()


def save_small_checkpoint(path: Path) -> Path:
    """Write a small checkpoint, the same one every time."""
    save_checkpoint(path, small_denoiser(), SIGMA_DATA, {})
    return path
