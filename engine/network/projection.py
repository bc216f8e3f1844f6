"""Consistency with the data: 2x2 mean pooling, its null space, and the inverse transform.

A child picture is consistent with its parent when the mean of every 2x2 block is the parent's
pixel. The null space of the mean consists of the three orthonormal Haar detail bands on the
parent's grid, so a picture is its parent plus bands, and changes of the bands alone never break
consistency (DDNM's projection, arXiv:2212.00490, in wavelet form).
The bands of two zooms together, 15 a colour on the parent's grid, are the null space of 4x4 means.

All functions take (..., C, H, W) tensors; bands are (..., 3C, H/2, W/2), channel-major within
each band: [horizontal x C, vertical x C, diagonal x C].
"""

from __future__ import annotations

import torch
from torch import Tensor


def _corners(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four pixels of every 2x2 block: upper left, upper right, lower left, lower right."""
    return (
        image[..., 0::2, 0::2],
        image[..., 0::2, 1::2],
        image[..., 1::2, 0::2],
        image[..., 1::2, 1::2],
    )


def _interleave(corners: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """The image whose 2x2 blocks have these corners."""
    a, b, c, d = corners
    upper = torch.stack((a, b), dim=-1).flatten(-2)
    lower = torch.stack((c, d), dim=-1).flatten(-2)
    return torch.stack((upper, lower), dim=-2).flatten(-3, -2)


def pool(image: Tensor) -> Tensor:
    """The mean of every 2x2 block, (..., H, W) -> (..., H/2, W/2), summed in a fixed order."""
    a, b, c, d = _corners(image)
    return ((a + b) + (c + d)) * 0.25


def up(image: Tensor) -> Tensor:
    """Every pixel repeated 2x2: the adjoint of pool, up to its factor."""
    return image.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def project(image: Tensor, parent: Tensor) -> Tensor:
    """The picture nearest to image whose 2x2 means are parent: x + up(y - pool(x))."""
    return image + up(parent - pool(image))


def to_bands(image: Tensor) -> Tensor:
    """The orthonormal Haar detail bands of an image, (..., C, H, W) -> (..., 3C, H/2, W/2)."""
    a, b, c, d = _corners(image)
    horizontal = ((a - b) + (c - d)) * 0.5
    vertical = ((a + b) - (c + d)) * 0.5
    diagonal = ((a - b) - (c - d)) * 0.5
    return torch.cat((horizontal, vertical, diagonal), dim=-3)


def from_bands(parent: Tensor, bands: Tensor) -> Tensor:
    """The picture with these 2x2 means and these detail bands: the inverse of (pool, to_bands)."""
    horizontal, vertical, diagonal = (band * 0.5 for band in bands.chunk(3, dim=-3))
    return _interleave(
        (
            parent + (horizontal + vertical + diagonal),
            parent + (vertical - horizontal - diagonal),
            parent + (horizontal - vertical - diagonal),
            parent + (diagonal - horizontal - vertical),
        )
    )


def split_corners(image: Tensor) -> Tensor:
    """(..., C, 2h, 2w) -> (..., 4C, h, w): the upper left, upper right, lower left, lower right."""
    return torch.cat(_corners(image), dim=-3)


def merge_corners(corners: Tensor) -> Tensor:
    """The inverse of split_corners."""
    a, b, c, d = corners.chunk(4, dim=-3)
    return _interleave((a, b, c, d))


def to_pair_bands(image: Tensor) -> Tensor:
    """The bands of two zooms, (..., C, 4h, 4w) -> (..., 15C, h, w), by blocks of 3C channels.

    First those of the 2x2 means, then those of the image at the four corners of every 2x2 block.
    """
    return torch.cat((to_bands(pool(image)), split_corners(to_bands(image))), dim=-3)


def into_range(image: Tensor, parent: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """The image with the contrast of every 2x2 block shrunk until it fits [low, high].

    low and high may be infinite.

    A block that fits is left as it is. Clipping would move a block's mean; shrinking its deviations
    toward parent does not, and needs the block alone, so that any crop gives the same pixels.
    """
    if low <= float(image.amin()) and float(image.amax()) <= high:
        return image
    mean = parent.clamp(low, high)
    deviation = image - up(parent)
    corners = _corners(deviation)
    highest = torch.stack(corners).amax(0).clamp_min(1e-12)
    lowest = torch.stack(corners).amin(0).clamp_max(-1e-12)
    factor = torch.minimum((high - mean) / highest, (low - mean) / lowest).clamp_max(1.0)
    return torch.where(up(factor < 1.0), up(mean) + deviation * up(factor), image)
