"""The shipped denoiser: local, compact, and split into a part that runs once and one a step.

        condition (3, 2h, 2w)                 state x (9, h, w), sigma
                |                                      |
           unshuffle x4                           unshuffle x2
                |                                      |
     encoder: residual blocks  --- features --->  denoiser: residual blocks, sigma in each
        (once a window)                                |
                                              x0 = c_skip x + c_out F     (EDM preconditioning)

States are residual Haar bands on the parent's grid (engine.projection) in units of their
standard deviation. Work is done on *cells* of 2x2 state pixels. All convolutions are valid, no
layer looks beyond its own pixels otherwise, and there is no normalisation across pixels: so a
pixel's value is a function of its neighbourhood (encode_reach_px, reach_px) and of nothing else,
wherever the window lies. Activations are leaky rectifiers because they are exact on any
processor, which exponentials are not in the tail of a vectorised loop; and convolutions run in
channels-last order, in which their sums have one order for windows of any size from
resolver.MIN_STATE_PX up (measured; tests/engine/test_sampler.py holds it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoising import crop_to

CELL_PX = 2
"""State pixels a cell, per axis: windows of the denoiser are aligned to it."""
SCALE = 2
"""Condition pixels a state pixel, per axis."""
NEGATIVE_SLOPE = 0.1
EMBEDDING_FREQUENCIES = 16


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The denoiser's shape, kept in its checkpoint's metadata."""

    width: int = 96
    encoder_blocks: int = 3
    denoiser_blocks: int = 1
    image_channels: int = 3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")


def _rectified(tensor: Tensor) -> Tensor:
    return F.leaky_relu(tensor, NEGATIVE_SLOPE)


class ResidualBlock(nn.Module):
    """Two valid 3x3 convolutions around a skip: 2 cells of reach."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3)
        self.second = nn.Conv2d(width, width, 3)
        nn.init.zeros_(self.second.weight)

    def forward(self, features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        hidden = self.first(features)
        if scale is not None and shift is not None:
            hidden = hidden * scale
            hidden = hidden + shift
        hidden = self.second(_rectified(hidden))
        out: Tensor = crop_to(features, hidden.shape[-2], hidden.shape[-1]) + hidden
        return out


class LocalDenoiser(nn.Module):
    """EDM-preconditioned denoiser of residual bands whose receptive field is bounded.

    `encode` maps a condition (B, C, 2H, 2W) to features; `denoise` maps a state (B, 3C, h, w),
    its sigma and the features to x0, smaller by reach_px on every side.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.image_channels
        self.channels = 3 * channels
        """Bands of a state."""
        self.local = True
        self.cell_px = CELL_PX
        self.encode_reach_px = CELL_PX * (1 + 2 * config.encoder_blocks)
        """State pixels that `encode` trims from every side of its window."""
        self.reach_px = CELL_PX * (1 + 2 * config.denoiser_blocks)
        """State pixels that `denoise` trims from every side of its window."""
        self.stem = nn.Conv2d(channels * (SCALE * CELL_PX) ** 2, width, 3)
        self.encoder = nn.ModuleList(ResidualBlock(width) for _ in range(config.encoder_blocks))
        self.entry = nn.Conv2d(self.channels * CELL_PX**2, width, 3)
        self.embedding = nn.Sequential(
            nn.Linear(2 * EMBEDDING_FREQUENCIES, width),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(width, 2 * width * config.denoiser_blocks),
        )
        self.denoiser = nn.ModuleList(ResidualBlock(width) for _ in range(config.denoiser_blocks))
        self.exit = nn.Conv2d(width, self.channels * CELL_PX**2, 1)
        nn.init.zeros_(self.exit.weight)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]  # bias=True by default

    def encode(self, condition: Tensor) -> Tensor:
        """Features of a condition in [0, 1], on the grid of cells."""
        centred = (condition - 0.5) * 2.0
        features: Tensor = self.stem(_channels_last(F.pixel_unshuffle(centred, SCALE * CELL_PX)))
        for block in self.encoder:
            features = block(features, None, None)
        return features

    def denoise(self, state: Tensor, sigma: Tensor, features: Tensor) -> Tensor:
        """x0 of a state at noise level sigma (B,) or (1,), in units of the residual's deviation."""
        level = sigma[:, None, None, None]
        total = (level * level + 1.0).sqrt()
        cells = F.pixel_unshuffle(state / total, CELL_PX)
        hidden: Tensor = self.entry(_channels_last(cells))
        hidden = hidden + crop_to(features, hidden.shape[-2], hidden.shape[-1])
        for block, (scale, shift) in zip(self.denoiser, self._modulations(sigma), strict=True):
            hidden = block(hidden, scale, shift)
        return preconditioned(state, F.pixel_shuffle(self.exit(_rectified(hidden)), CELL_PX), sigma)

    def _modulations(self, sigma: Tensor) -> list[tuple[Tensor, Tensor]]:
        """One (scale, shift) a denoiser block, each (B, width, 1, 1)."""
        values = self.embedding(noise_phases(sigma))
        pairs = values[:, :, None, None].chunk(2 * len(self.denoiser), dim=1)
        return [(1.0 + pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]


def preconditioned(state: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
    """x0 = c_skip x + c_out F (EDM, arXiv:2206.00364); raw F may be narrower than the state."""
    level = sigma[:, None, None, None]
    total = (level * level + 1.0).sqrt()
    kept = crop_to(state, raw.shape[-2], raw.shape[-1])
    # Two products and one sum, each rounded by itself: a fused multiply-add would round
    # differently in the vectorised and the scalar part of a loop.
    skipped = kept / (total * total)
    correction = raw * (level / total)
    return skipped + correction


def noise_phases(sigma: Tensor) -> Tensor:
    """Sines and cosines of noise levels (B,), (B, 2 EMBEDDING_FREQUENCIES)."""
    octaves = torch.arange(EMBEDDING_FREQUENCIES, device=sigma.device, dtype=torch.float32)
    # log sigma spans about [-3, 3]: from a quarter of a period up to fine distinctions
    phases = sigma.log()[:, None] * (2.0 ** (octaves / 3.0) * pi / 12.0)
    return torch.cat((phases.sin(), phases.cos()), dim=1)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def log_uniform(low: float, high: float, uniform: Tensor) -> Tensor:
    """Noise levels spread evenly in the logarithm, from uniform numbers in [0, 1)."""
    return (log(low) + uniform * (log(high) - log(low))).exp()
