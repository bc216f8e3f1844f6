"""Realistic conditions, as from real sources: reduced, resampled, aliased, JPEG-coded, noisy.

A source read on the grid of the zoom below native is its own picture resampled by a factor in
(1, 2]; deeper zooms are always doubled. Most crops are the latter.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.network.doubling import doubled_whole
from engine.network.projection import pool

DOUBLED = 0.7
"""Share of crops whose condition is blurred by 2 exactly; the rest by a factor in (1, 2)."""
JPEG, ALIASED, NOISY = 0.12, 0.08, 0.06
"""Share of conditions that are JPEG-coded, aliased and noisy; most stay as the data is."""


def degraded(truth: Tensor, generator: np.random.Generator) -> Tensor:
    """The condition (3, H, W) of the upper zoom's truth (3, H, W), in [0, 1]; H and W are even."""
    picture = truth[None]
    if generator.random() < DOUBLED:
        low = pool(picture)
        if generator.random() < ALIASED:
            low = torch.lerp(low, picture[..., 0::2, 0::2], float(generator.uniform(0.3, 1.0)))
        return doubled_whole(_add_artefacts(low, generator))[0]
    size = picture.shape[-2:]
    factor = generator.uniform(1.05, 2.0)
    reduced = [round(side / factor) for side in size]
    low = F.interpolate(picture, reduced, mode="bicubic", antialias=True).clamp(0, 1)
    low = _add_artefacts(low, generator)
    # With antialias torch's cubic kernel is Keys' with a = -0.5, as GDAL's is.
    return F.interpolate(low, size, mode="bicubic", antialias=True)[0]


def _add_artefacts(low: Tensor, generator: np.random.Generator) -> Tensor:
    """A reduced picture with the artefacts of a sensor and of a codec."""
    if generator.random() < NOISY:
        deviation = generator.uniform(0.5, 3.0) / 255
        noise = generator.standard_normal(low.shape, dtype=np.float32)
        low = low + torch.from_numpy(noise) * deviation
    if generator.random() < JPEG:
        return _jpeg_coded(low, int(generator.integers(60, 96)))
    return (low.clamp(0, 1) * 255).round() / 255


def _jpeg_coded(picture: Tensor, quality: int) -> Tensor:
    levels = (picture[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    stream = BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(stream), dtype=np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(decoded.transpose(2, 0, 1)))[None]
