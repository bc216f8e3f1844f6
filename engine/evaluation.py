"""What super-resolution is worth on pictures whose true detail is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.checkpoint import Checkpoint
from engine.imagery import ArrayImagery, Imagery, Pixels
from engine.perceptual import PerceptualDistance
from engine.projection import pool
from engine.resolver import Doubled, SuperResolved
from engine.sampler import SamplerSettings
from engine.window import Window


@dataclass(frozen=True, slots=True)
class Score:
    """One way to double one picture, as 8-bit pixels, against the truth."""

    psnr_db: float
    perceptual: Mapping[str, float]
    """Perceptual distance by backbone; lower is nearer."""
    drift_levels: float
    """Mean abs(pool(doubled) - low) in levels of 255: what the way does to the data itself."""


def super_resolved(
    low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int = 1
) -> Pixels:
    """A picture (C, h, w) super-resolved as the server would, 2^zooms times as large."""
    picture: Imagery = ArrayImagery(low)
    for zoom in range(1, zooms + 1):
        picture = SuperResolved(Doubled(picture), low.shape[0], checkpoint, settings, zoom)
    return picture.read(_whole(low, zooms))


def interpolated(low: Pixels, zooms: int = 1) -> Pixels:
    """The consistent cubic interpolation that the server shows for comparison."""
    picture: Imagery = ArrayImagery(low)
    for _ in range(zooms):
        picture = Doubled(picture)
    return picture.read(_whole(low, zooms))


@torch.inference_mode()
def score(
    doubled: Pixels, low: Pixels, truth: Pixels, metrics: Mapping[str, PerceptualDistance]
) -> Score:
    """Compare a doubling of low, (C, 2h, 2w) in [0, 1], with the truth."""
    shown, true = _eight_bit(doubled), _eight_bit(truth)
    squared = float(((shown - true) ** 2).mean())
    reduced = pool(shown)
    while reduced.shape[-1] > low.shape[-1]:
        reduced = pool(reduced)
    drift = float((reduced - torch.from_numpy(low)).abs().mean()) * 255
    distances = {name: float(metric(shown[None], true[None])) for name, metric in metrics.items()}
    return Score(-10 * np.log10(squared + 1e-12), distances, drift)


def _eight_bit(pixels: Pixels) -> Tensor:
    return (torch.from_numpy(pixels).clamp(0, 1) * 255).round() / 255


def _whole(low: Pixels, zooms: int) -> Window:
    return Window(0, 0, low.shape[1] << zooms, low.shape[2] << zooms)
