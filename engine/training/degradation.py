"""Realistic conditions, as from real sources: reduced, resampled, aliased, JPEG-coded, noisy.

A source read on the grid of the zoom below native is its own picture resampled by a factor in
(1, 2]; deeper zooms are always doubled. Most crops are the latter.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.network.doubling import doubled_whole
from engine.network.projection import pool
from engine.training.jpeg import jpeg_coded

DOUBLED = 0.7
"""Share of crops whose condition is blurred by 2 exactly; the rest by a factor in (1, 2)."""
JPEG, ALIASED, NOISY = 0.12, 0.08, 0.06
"""Share of conditions that are JPEG-coded, aliased and noisy; most stay as the data is."""
SAME_FACTOR = 8
"""Crops of a batch that share one factor of resampling."""


def degraded(truth: Tensor, generator: np.random.Generator) -> Tensor:
    """The conditions (B, 3, H, W) of the upper zoom's truths (B, 3, H, W), in [0, 1].

    H and W are even.
    """
    doubled = generator.random(len(truth)) < DOUBLED
    conditions = torch.empty_like(truth)
    whole = _indices(np.flatnonzero(doubled), truth)
    if len(whole):
        conditions[whole] = _doubled(truth[whole], generator)
    rest = np.flatnonzero(~doubled)
    for first in range(0, len(rest), SAME_FACTOR):
        some = _indices(rest[first : first + SAME_FACTOR], truth)
        conditions[some] = _resampled(truth[some], generator)
    return conditions


def _doubled(pictures: Tensor, generator: np.random.Generator) -> Tensor:
    low = pool(pictures)
    aliased = generator.random(len(low)) < ALIASED
    amounts = _factors(np.where(aliased, generator.uniform(0.3, 1.0, len(low)), 0.0), low)
    low = torch.lerp(low, pictures[..., 0::2, 0::2], amounts)
    return doubled_whole(_add_artefacts(low, generator))


def _resampled(pictures: Tensor, generator: np.random.Generator) -> Tensor:
    height, width = pictures.shape[-2:]
    factor = generator.uniform(1.05, 2.0)
    low = _resized(pictures, round(height / factor), round(width / factor)).clamp(0, 1)
    return _resized(_add_artefacts(low, generator), height, width)


def _resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """Cubic resampling with Keys' kernel, a = -0.5, as GDAL's: two products with its weights."""
    rows, columns = (
        _weights(old, new).to(pictures)
        for old, new in zip(pictures.shape[-2:], (height, width), strict=True)
    )
    return rows @ pictures @ columns.T


def _weights(old: int, new: int) -> Tensor:
    """Weights (new, old) of cubic resampling; with antialias torch's kernel is a = -0.5."""
    identity = torch.eye(old)[None, None]
    return F.interpolate(identity, (new, old), mode="bicubic", antialias=True)[0, 0]


def _add_artefacts(low: Tensor, generator: np.random.Generator) -> Tensor:
    """Reduced pictures with the artefacts of a sensor and of a codec."""
    count = len(low)
    noisy = generator.random(count) < NOISY
    amounts = np.where(noisy, generator.uniform(0.5, 3.0, count) / 255, 0.0)
    noise = torch.Generator(low.device).manual_seed(int(generator.integers(2**31)))
    low = low + torch.randn(low.shape, generator=noise, device=low.device) * _factors(amounts, low)
    low = (low.clamp(0, 1) * 255).round() / 255
    coded = _indices(np.flatnonzero(generator.random(count) < JPEG), low)
    quality = generator.integers(60, 96, count)[: len(coded)]
    if len(coded):
        low[coded] = jpeg_coded(low[coded], torch.from_numpy(quality).to(low))
    return low


def _factors(amounts: NDArray[np.float64], like: Tensor) -> Tensor:
    """One factor a picture, (B, 1, 1, 1)."""
    return torch.from_numpy(amounts).to(like)[:, None, None, None]


def _indices(which: NDArray[np.int64], like: Tensor) -> Tensor:
    return torch.from_numpy(which).to(like.device)
