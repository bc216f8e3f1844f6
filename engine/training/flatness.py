"""Takes off flat ground a pattern that the squared error of the mean does not see.

On calm water a fixed pattern of one level of 255, the same in every native pixel, adds less than a
thousandth to the loss, and is the first thing that eyes find. The head of the mean is one
convolution, so the nearest one without the pattern is a ridge regression.
"""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.network.local import NEGATIVE_SLOPE, SCALE, LocalDenoiser

FLAT_WEIGHT = 300.0
"""Of the mean's output on flat ground, beside its change on all other ground."""
FLAT_CELLS = 8
"""Side of what the encoder leaves of a flat condition."""
COLOURS = 256
NOISE = 1 / 255
"""Standard deviation of the noise on flat ground: that of a calm picture of 8 bits."""
STIFFNESS = 1e-6
"""Of the regression, relative to the features' mean square."""


@torch.no_grad()
def level_flat_ground(network: LocalDenoiser, conditions: Tensor) -> LocalDenoiser:
    """A copy of a network whose mean is nearly zero on flat ground, and nearly the same elsewhere.

    conditions: (B, C, 2h, 2w) in [0, 1], ordinary ground; the flat colours are among its pixels.
    Where they are no larger than the encoder's reach, the copy is the same.
    """
    levelled = deepcopy(network)
    levelled.pad(False)
    generator = torch.Generator(conditions.device).manual_seed(0)
    if min(conditions.shape[-2:]) <= 2 * SCALE * levelled.encode_reach_px:
        levelled.pad(network.padded)
        return levelled
    side = SCALE * (2 * levelled.encode_reach_px + FLAT_CELLS)
    flat = _flat_conditions(conditions, side, generator)
    weight, bias = levelled.mean.weight, levelled.mean.bias
    assert bias is not None
    head = torch.cat((weight.flatten(1), bias[:, None]), dim=1).double().T
    ground = _moments(levelled, conditions)
    pattern = FLAT_WEIGHT * _moments(levelled, flat)
    system = ground + pattern
    system += STIFFNESS * system.diagonal().mean() * torch.eye(len(system), device=system.device)
    head = (head - torch.linalg.solve(system, pattern @ head)).T.to(weight)
    weight.copy_(head[:, :-1].reshape(weight.shape))
    bias.copy_(head[:, -1])
    levelled.pad(network.padded)
    return levelled


def _flat_conditions(conditions: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Conditions of one colour each and a little noise, (COLOURS, C, side, side)."""
    channels, device = conditions.shape[1], conditions.device
    pixels = conditions.movedim(1, -1).reshape(-1, channels)
    chosen = torch.randint(len(pixels), (COLOURS,), generator=generator, device=device)
    colours = pixels[chosen][:, :, None, None].expand(-1, -1, side, side)
    noise = torch.randn(colours.shape, generator=generator, device=device)
    return (colours + NOISE * noise).clamp(0, 1)


def _moments(network: LocalDenoiser, conditions: Tensor) -> Tensor:
    """Mean products of what the mean's head reads: its 3x3 features and one, all with all."""
    total, count = torch.zeros((), dtype=torch.float64), 0
    for condition in torch.split(conditions, 8):
        features = F.leaky_relu(network.features(condition), NEGATIVE_SLOPE)
        inputs = F.unfold(features, 3).transpose(1, 2).flatten(0, 1)
        inputs = torch.cat((inputs, torch.ones_like(inputs[:, :1])), dim=1).double()
        total = total.to(inputs.device) + inputs.T @ inputs
        count += len(inputs)
    return total / count
