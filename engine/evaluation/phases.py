"""Whether detail is spread evenly over a native pixel, or concentrates at its borders.

The gradient between two neighbouring pixels has a phase: the place of the left or upper one
within its native pixel. At phase factor - 1 it crosses into the next native pixel, where plain
interpolations are steepest.
"""

from __future__ import annotations

from math import nan

import torch
from torch import Tensor

MIN_RATIO = 1e-3
"""Lower bound of the ratios: blocks of one colour have no gradient inside."""


def phase_evenness(picture: Tensor, truth: Tensor, factor: int) -> float:
    """Largest over smallest ratio of a picture's gradients to the truth's, by phase; 1 is even.

    Pictures are (C, H, W). NaN where the truth has no gradient at some phase.
    """
    own = phase_gradients(truth, factor)
    if not bool((own > 0).all()):
        return nan
    ratios = (phase_gradients(picture, factor) / own).clamp_min(MIN_RATIO)
    return float(ratios.max() / ratios.min())


def phase_gradients(picture: Tensor, factor: int) -> Tensor:
    """Mean abs difference of neighbouring pixels in both directions, by phase: (factor,).

    Of a picture (C, H, W), or of a batch of them.
    """
    others = tuple(range(picture.dim() - 2))
    along = [
        picture.diff(dim=-2).abs().mean(dim=(*others, -1)),
        picture.diff(dim=-1).abs().mean(dim=(*others, -2)),
    ]
    return torch.stack(
        [torch.cat([steps[phase::factor] for steps in along]).mean() for phase in range(factor)]
    )
