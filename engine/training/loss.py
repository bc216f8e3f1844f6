"""What the denoiser is asked to minimise.

Three terms. The squared error of x0 in EDM's weighting (unit variance of the network's raw target
at every noise level), and the perceptual distance of pictures drawn by the sampler itself, step
by step as the server draws them (before contrast is shrunk into range): errors of one step are
the next one's to mend. The squared error alone is soft at few steps. And the pattern that repeats
from cell to cell in those pictures' error, which no distance minds and every eye does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.checkpoint import Network
from engine.denoising import crop_to, drawn
from engine.network import SCALE, log_uniform
from engine.perceptual import PerceptualDistance
from engine.projection import detailed, to_bands
from engine.schedule import Schedule

SIGMA_RANGE = (0.1, 8.0)
"""Noise levels trained on, in units of the residual's deviation; schedules stay inside."""
MAX_OFFSET_PX = 16
"""Of the corner that the perceptual distance looks from: VGG's strides multiply to it."""
PATTERN_PX, PATTERN_CELLS = 4, 8
"""A cell's side in pixels, and the cells a side over which a pattern is looked for."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A batch of conditions and of the truths that they stand for, each (B, C, H, W)."""

    condition: Tensor
    truth: Tensor

    def __getitem__(self, crops: slice) -> Pair:
        return Pair(self.condition[crops], self.truth[crops])


def residual(pair: Pair) -> Tensor:
    """The bands that the truth has and its condition lacks."""
    return to_bands(pair.truth) - to_bands(pair.condition)


def squared_error(
    network: Network,
    pair: Pair,
    features: Tensor,
    sigma_data: float,
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    """The weighted squared error of x0, each crop at several noise levels for its features."""
    target = residual(pair) / sigma_data
    height, width = (side - 2 * network.encode_reach_px for side in target.shape[-2:])
    inner = crop_to(target, height, width).repeat(draws, 1, 1, 1)
    batch, device = inner.shape[0], inner.device
    # Stratified: every batch sees the whole range of levels, in an order of its own.
    uniform = torch.rand(1, generator=generator, device=device)
    uniform = (uniform + torch.arange(batch, device=device) / batch) % 1.0
    order = torch.randperm(batch, generator=generator, device=device)
    sigma = log_uniform(*SIGMA_RANGE, uniform[order])
    noise = torch.randn(inner.shape, generator=generator, device=device)
    state = inner + noise * sigma[:, None, None, None]
    clean = network.denoise(state, sigma, features.repeat(draws, 1, 1, 1)).float()
    goal = crop_to(inner, clean.shape[-2], clean.shape[-1])
    weight = (sigma**2 + 1) / sigma**2 * _evenness(pair.condition, sigma_data).repeat(draws)
    return (weight[:, None, None, None] * (clean - goal) ** 2).mean()


def drawn_pictures(
    network: Network,
    pair: Pair,
    features: Tensor,
    sigma_data: float,
    schedule: Schedule,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Pictures drawn from features with a schedule, and the truth of the same ground."""
    outer = [side // SCALE - 2 * network.encode_reach_px for side in pair.condition.shape[-2:]]
    reach_px = network.reach_px * schedule.steps

    def noise(_step: int, margin_px: int) -> Tensor:
        sides = [side - 2 * (reach_px - margin_px) for side in outer]
        shape = (len(features), network.channels, *sides)
        return torch.randn(shape, generator=generator, device=features.device)

    bands = drawn(network, features, schedule, noise).float() * sigma_data
    height, width = (SCALE * side for side in bands.shape[-2:])
    picture = detailed(crop_to(pair.condition, height, width), bands)
    return picture, crop_to(pair.truth, height, width)


def perceptual_distance(
    picture: Tensor, truth: Tensor, metric: PerceptualDistance, generator: torch.Generator
) -> Tensor:
    """The mean distance of pictures from their truths, seen from a corner of its own each time.

    A vision network's strides see some pixels more than others; seen always from the same
    corner, pictures learn a pattern that suits them.
    """
    corner = torch.randint(MAX_OFFSET_PX, (2,), generator=generator, device=picture.device)
    row, col = corner.tolist()
    distances: Tensor = metric(picture[..., row:, col:], truth[..., row:, col:])
    return distances.mean()


def cell_pattern(picture: Tensor, truth: Tensor, sigma_data: float) -> Tensor:
    """Power of what repeats from cell to cell in the error, in units of the residual's variance.

    The network writes 4x4 pixels at a time, and may favour some of them: too faint to count in
    any distance, plain to see as a grid. An error without a pattern averages out over cells.
    """
    cells = F.pixel_unshuffle((picture - truth) / sigma_data, PATTERN_PX)
    height, width = cells.shape[-2:]
    means = F.avg_pool2d(cells, min(PATTERN_CELLS, height, width), stride=PATTERN_CELLS // 2)
    phases = means.reshape(len(means), picture.shape[1], PATTERN_PX**2, *means.shape[-2:])
    power: Tensor = ((phases - phases.mean(dim=2, keepdim=True)) ** 2).mean()
    return power


def _evenness(condition: Tensor, sigma_data: float) -> Tensor:
    """A weight a crop (B,), lower for busy ground, so that forests do not drown roofs and roads.

    It depends on the condition alone, and so leaves the best x0 of every condition as it is.
    """
    activity = to_bands(condition).std(dim=(1, 2, 3)) / sigma_data
    return 1.0 / (0.3 + activity)
