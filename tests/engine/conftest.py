"""Small real denoisers and imagery that needs no file."""

from __future__ import annotations

import pytest

from engine.network.checkpoint import Checkpoint, load_checkpoint
from engine.pictures.probe import Waves
from tests.support.checkpoint import SIGMA_DATA, small_denoiser
from tileserver.checkpoints import COMPACT


@pytest.fixture(scope="session")
def small() -> Checkpoint:
    """A random checkpoint, small enough for many evaluations."""
    return Checkpoint("small", small_denoiser(), SIGMA_DATA, "0" * 16)


@pytest.fixture(scope="session")
def bundled() -> Checkpoint:
    """The checkpoint that ships."""
    return load_checkpoint(COMPACT)


@pytest.fixture
def waves() -> Waves:
    return Waves()
