"""What the denoiser is asked to minimise.

Two terms on x0. The squared error of the residual bands in EDM's weighting (unit variance of the
network's raw target at every noise level), and the perceptual distance of the pictures that
the bands make, weighed so that both pull about equally: the first alone is soft at few steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoising import crop_to
from engine.network import SCALE, LocalDenoiser, log_uniform
from engine.perceptual import PerceptualDistance
from engine.projection import detailed, to_bands

SIGMA_RANGE = (0.1, 8.0)
"""Noise levels trained on, in units of the residual's deviation; schedules stay inside."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A batch of conditions and of the truths that they stand for, each (B, C, H, W)."""

    condition: Tensor
    truth: Tensor


@dataclass(frozen=True, slots=True)
class Losses:
    """The terms of one batch; total is what is minimised."""

    total: Tensor
    squared: float
    perceptual: float


def residual(pair: Pair) -> Tensor:
    """The bands that the truth has and its condition lacks."""
    return to_bands(pair.truth) - to_bands(pair.condition)


def batch_loss(
    network: LocalDenoiser,
    pair: Pair,
    sigma_data: float,
    draws: int,
    metric: PerceptualDistance | None,
    perceptual_weight: float,
    perceptual_share: float,
    generator: torch.Generator,
) -> Losses:
    """The loss of a batch, each crop at several noise levels for one encoding of it."""
    features = network.encode(pair.condition).float()
    target = residual(pair) / sigma_data
    height, width = (side - 2 * network.encode_reach_px for side in target.shape[-2:])
    inner = crop_to(target, height, width).repeat(draws, 1, 1, 1)
    batch, device = inner.shape[0], inner.device
    uniform = (torch.rand(1, generator=generator) + torch.arange(batch) / batch) % 1.0
    sigma = log_uniform(*SIGMA_RANGE, uniform[torch.randperm(batch, generator=generator)])
    sigma = sigma.to(device)
    noise = torch.randn(inner.shape, generator=generator).to(device)
    state = inner + noise * sigma[:, None, None, None]
    clean = network.denoise(state, sigma, features.repeat(draws, 1, 1, 1)).float()
    goal = crop_to(inner, clean.shape[-2], clean.shape[-1])
    weight = (sigma**2 + 1) / sigma**2 * _evenness(pair.condition, sigma_data).repeat(draws)
    squared = (weight[:, None, None, None] * (clean - goal) ** 2).mean()
    if metric is None:
        return Losses(squared, float(squared.detach()), 0.0)

    chosen = slice(0, max(1, round(batch * perceptual_share)))
    indices = torch.arange(batch, device=device)[chosen] % pair.truth.shape[0]
    picture = _picture(pair.condition[indices], clean[chosen] * sigma_data)
    truth = crop_to(pair.truth[indices], picture.shape[-2], picture.shape[-1])
    distance = metric(picture, truth).mean()
    total = squared + perceptual_weight * distance
    return Losses(total, float(squared.detach()), float(distance.detach()))


def _evenness(condition: Tensor, sigma_data: float) -> Tensor:
    """A weight a crop (B,), lower for busy ground, so that forests do not drown roofs and roads.

    It depends on the condition alone, and so leaves the best x0 of every condition as it is.
    """
    activity = to_bands(condition).std(dim=(1, 2, 3)) / sigma_data
    return 1.0 / (0.3 + activity)


def _picture(condition: Tensor, bands: Tensor) -> Tensor:
    """The picture that residual bands make of a condition, trimmed like the bands."""
    height, width = (SCALE * side for side in bands.shape[-2:])
    return detailed(crop_to(condition, height, width), bands)
