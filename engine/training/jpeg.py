"""What JPEG coding loses, for batches on any device: blocks, quantisation and halved chroma.

Baseline JPEG (ITU-T T.81) without its entropy coding, which loses nothing. Tables are those of
its annex K, scaled with quality as the reference software of the Independent JPEG Group does.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_PX = 8
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * BLOCK_PX for _ in range(4)),
)
# ITU-T T.871 (JFIF)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg_coded(pictures: Tensor, quality: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] as JPEG of quality (B,), 1 to 100, gives them back.

    Returns multiples of 1/255, with chroma at half the size (4:2:0).
    """
    height, width = pictures.shape[-2:]
    multiple = 2 * BLOCK_PX
    padding = (0, -width % multiple, 0, -height % multiple)
    levels = F.pad((pictures.clamp(0, 1) * 255).round(), padding, mode="replicate")
    ycc = torch.einsum("ij,bjhw->bihw", levels.new_tensor(_TO_YCC), levels)
    luma = _quantised(ycc[:, :1] - 128.0, _LUMA, quality) + 128.0
    chroma = _quantised(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA, quality)
    ycc = torch.cat((luma, F.interpolate(chroma, scale_factor=2, mode="bilinear")), dim=1)
    rgb = torch.einsum("ij,bjhw->bihw", levels.new_tensor(_TO_RGB), ycc)
    return rgb[..., :height, :width].round().clamp(0, 255) / 255.0


def _quantised(planes: Tensor, table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Planes (B, C, H, W) whose 8x8 cosine coefficients are rounded to multiples of a table."""
    scale = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality)
    steps = (planes.new_tensor(table) * scale.to(planes)[:, None, None] / 100.0 + 0.5).floor()
    steps = steps.clamp(1, 255)[:, None, None, None]
    cosines = planes.new_tensor(_cosines())
    blocks = planes.unfold(-2, BLOCK_PX, BLOCK_PX).unfold(-2, BLOCK_PX, BLOCK_PX)
    coefficients = (cosines @ blocks @ cosines.T / steps).round() * steps
    blocks = cosines.T @ coefficients @ cosines
    return blocks.transpose(-3, -2).reshape(planes.shape)


@cache
def _cosines() -> list[list[float]]:
    """The orthonormal cosine transform of BLOCK_PX values, one row a frequency."""
    return [
        [
            sqrt((1 if k == 0 else 2) / BLOCK_PX) * cos(pi * (2 * n + 1) * k / (2 * BLOCK_PX))
            for n in range(BLOCK_PX)
        ]
        for k in range(BLOCK_PX)
    ]
