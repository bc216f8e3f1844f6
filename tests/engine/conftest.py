"""Small real denoisers and imagery that needs no file."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoint import Checkpoint, load_checkpoint
from engine.network import LocalDenoiser, NetworkConfig
from engine.pair import SigmaData
from engine.probe import Waves
from tileserver.checkpoints import COMPACT


def random_denoiser(width: int = 16, seed: int = 0) -> LocalDenoiser:
    """A denoiser whose every parameter counts: zero-initialised ones are drawn as well."""
    torch.manual_seed(seed)
    denoiser = LocalDenoiser(NetworkConfig(width, encoder_blocks=1, denoiser_blocks=1))
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn_like(parameter) * 0.1)
    return denoiser.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def small() -> Checkpoint:
    """A random checkpoint, small enough for many evaluations."""
    return Checkpoint("small", random_denoiser(), SigmaData(0.05, 0.03), "0" * 16)


@pytest.fixture(scope="session")
def bundled() -> Checkpoint:
    """The checkpoint that ships."""
    return load_checkpoint(COMPACT)


@pytest.fixture
def waves() -> Waves:
    return Waves()
