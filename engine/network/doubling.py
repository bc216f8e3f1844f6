"""Consistent interpolation: cubic doubling whose 2x2 means are the parent.

The viewer's interpolation and the network's condition are the same picture: cubic convolution
(Keys, a = -0.5) to twice the size, projected so that it averages back to its parent. Both steps are
local: two parent pixels of reach.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.network.projection import project

REACH_PX = 2
"""Parent pixels that `doubled` trims from every side."""

# Keys' kernel (a = -0.5) at the distances of a child centre, a quarter pixel off its parent's:
# 1.25, 0.25, 0.75, 1.75. Exact in binary, so any order of summing gives the same bits.
_TAPS = (-9 / 128, 111 / 128, 29 / 128, -3 / 128)


def doubled(parent: Tensor) -> Tensor:
    """The cubic doubling of (..., C, h, w), whose 2x2 means are the parent's pixels.

    Returns (..., C, 2(h - 4), 2(w - 4)).
    """
    rows = _doubled_last(parent.transpose(-1, -2)).transpose(-1, -2)
    image = _doubled_last(rows)
    inner = parent[..., REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    return project(image, inner)


def _doubled_last(values: Tensor) -> Tensor:
    """Cubic doubling along the last axis, trimmed by two parent pixels a side."""
    count = values.shape[-1] - 2 * REACH_PX

    def neighbour(offset: int) -> Tensor:
        return values[..., REACH_PX + offset : REACH_PX + offset + count]

    one, two, three, four = _TAPS
    before = (neighbour(-1) * three + neighbour(0) * two) + (
        neighbour(-2) * four + neighbour(1) * one
    )
    after = (neighbour(1) * three + neighbour(0) * two) + (
        neighbour(2) * four + neighbour(-1) * one
    )
    return torch.stack((before, after), dim=-1).flatten(-2)


def doubled_whole(parent: Tensor) -> Tensor:
    """The consistent doubling of a whole image (B, C, h, w), its borders reflected."""
    return doubled(F.pad(parent, (REACH_PX,) * 4, mode="reflect"))
