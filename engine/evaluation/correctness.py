"""Improvement, omission and hallucination, pixel by pixel (opensr-test, Aybar et al. 2024).

Every pixel lies somewhere between the interpolation, the truth and neither. With distances in
units of the distance from interpolation to truth, d_im to the truth and d_om to the
interpolation, and H = d_im + d_om - 1, the centres are as far as

    improvement    d_im + d_om (1 - exp(-0.8 H))
    omission       d_om + d_im (1 - exp(-0.8 H))
    hallucination  exp(-0.4 d_im d_om)

and a pixel belongs to the nearest. Distances are means over 4 px blocks, since single pixels of
8 bits are mostly rounding.
"""

from __future__ import annotations

from math import nan

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_PX = 4
MIN_DISTANCE = 2 / 255
"""Where interpolation and truth differ by less there was nothing to improve."""


def correctness(
    enlarged: Tensor, interpolated: Tensor, truth: Tensor
) -> tuple[float, float, float]:
    """Shares of (improvement, omission, hallucination); pictures (C, H, W) in [0, 1].

    NaN where interpolation and truth are the same everywhere.
    """
    reference = _distance(interpolated, truth)
    counted = reference >= MIN_DISTANCE
    if not bool(counted.any()):
        return nan, nan, nan
    reference = reference[counted]
    improving = _distance(enlarged, truth)[counted] / reference
    omitting = _distance(enlarged, interpolated)[counted] / reference
    beyond = 1 - torch.exp(-0.8 * (improving + omitting - 1))
    centres = torch.stack(
        (
            improving + omitting * beyond,
            omitting + improving * beyond,
            torch.exp(-0.4 * improving * omitting),
        )
    )
    nearest = centres.argmin(dim=0)
    improvement, omission, hallucination = (
        float((nearest == kind).float().mean()) for kind in range(3)
    )
    return improvement, omission, hallucination


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return F.avg_pool2d((one - other).abs().mean(dim=0)[None], BLOCK_PX)[0]
