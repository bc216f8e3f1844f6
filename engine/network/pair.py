"""Two zooms from one state: the pictures of a condition and residual bands.

A condition lies on the grid of the upper zoom, two pixels a parent pixel. Its base consists of its
own bands and those of its cubic doubling. A network draws residuals to the base, in units of their
standard deviation at each zoom.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engine.network.doubling import REACH_PX, doubled
from engine.network.projection import (
    from_bands,
    into_range,
    merge_corners,
    pool,
    split_corners,
    to_bands,
)


class SigmaData(NamedTuple):
    """Standard deviation of the residual bands of training data, for imagery in [0, 1]."""

    upper: float
    """Of the zoom one deeper than the parent, 3 bands per colour."""
    deeper: float
    """Of the zoom two deeper, 12 bands per colour."""


Limits = tuple[float, float]
"""The least and the greatest value that a picture may have, where 0 to 1 is its source's range."""
UNIT: Limits = (0.0, 1.0)
"""Of imagery that holds nothing outside its range, as 8-bit imagery."""
MARGIN_PX = 1
"""Parent pixels by which a condition must be wider than its bands: its doubling's reach."""
assert REACH_PX == 2 * MARGIN_PX


def base_bands(condition: Tensor) -> Tensor:
    """The bands of a condition (..., C, 2h, 2w): (..., 15C, h - 2, w - 2)."""
    inner = condition[..., REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    return torch.cat((to_bands(inner), split_corners(to_bands(doubled(condition)))), dim=-3)


def to_pixel_units(bands: Tensor, sigma_data: SigmaData) -> Tensor:
    """Bands (..., 15C, h, w) in units of their deviation, as differences of pixels in [0, 1]."""
    upper = bands.shape[-3] // 5
    return torch.cat(
        (bands[..., :upper, :, :] * sigma_data.upper, bands[..., upper:, :, :] * sigma_data.deeper),
        dim=-3,
    )


def to_deviation_units(bands: Tensor, sigma_data: SigmaData) -> Tensor:
    """The inverse of to_pixel_units."""
    return to_pixel_units(bands, SigmaData(1 / sigma_data.upper, 1 / sigma_data.deeper))


def upper_picture(condition: Tensor, bands: Tensor, limits: Limits = UNIT) -> Tensor:
    """The upper zoom (..., C, 2h, 2w) from a condition wider by MARGIN_PX and its residual bands.

    Its 2x2 means are those of the condition, clipped to the limits as the picture is.
    """
    inner = condition[..., REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    parent = pool(inner)
    upper = bands[..., : bands.shape[-3] // 5, :, :]
    return into_range(from_bands(parent, to_bands(inner) + upper), parent, *limits)


def deeper_picture(condition: Tensor, bands: Tensor, limits: Limits = UNIT) -> Tensor:
    """The deeper zoom (..., C, 4h, 4w) from the same: its 2x2 means are upper_picture."""
    parent = upper_picture(condition, bands, limits)
    own = to_bands(doubled(condition)) + merge_corners(bands[..., bands.shape[-3] // 5 :, :, :])
    return into_range(from_bands(parent, own), parent, *limits)
