"""A denoiser with global context, for comparison: a small U-Net as in SR3 (arXiv:2104.07636).

Group normalisation, self-attention and zero padding make every pixel of x0 depend on the whole
patch and on where the patch lies. Only lattice evaluation may use such a denoiser, and what the
fusion rules are worth shows on it: patches that overlap disagree. The server never loads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network.checkpoint import LOCAL
from engine.network.local import BANDS, EMBEDDING_FREQUENCIES, SCALE, noise_phases, preconditioned
from engine.network.network import Kind, Network
from engine.sampling.denoising import Encoding

BUNDLED = Path(__file__).with_name("global.safetensors")
GROUPS = 8
"""Groups of channels that are normalised together."""
LEVELS = 3
"""Resolutions of the U-Net: each halves the last; attention works on the coarsest."""


@dataclass(frozen=True, slots=True)
class GlobalConfig:
    """The U-Net's shape, kept in its checkpoint's metadata."""

    width: int = 32
    image_channels: int = 3

    def __post_init__(self) -> None:
        if self.width < GROUPS or self.width % GROUPS:
            raise ValueError(f"width must be a multiple of {GROUPS}, not {self.width}")
        if self.image_channels < 1:
            raise ValueError(f"image_channels must be positive, not {self.image_channels}")


class GlobalDenoiser(Network):
    """EDM-preconditioned U-Net over a whole patch of state and condition."""

    config: GlobalConfig

    def __init__(self, config: GlobalConfig) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.image_channels
        self.channels = BANDS * channels
        self.local = False
        widths = [width * (level + 1) for level in range(LEVELS)]
        self.embedding = nn.Sequential(
            nn.Linear(2 * EMBEDDING_FREQUENCIES, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.entry = nn.Conv2d(self.channels + channels * SCALE**2, width, 3, padding=1)
        self.down = nn.ModuleList(
            _Block(widths[max(0, i - 1)], w, width) for i, w in enumerate(widths)
        )
        self.attention = _Attention(widths[-1])
        self.middle = _Block(widths[-1], widths[-1], width)
        self.up = nn.ModuleList(
            _Block(2 * widths[i], widths[max(0, i - 1)], width) for i in reversed(range(LEVELS))
        )
        self.exit = _normed(width, self.channels, zero=True)

    @property
    def encode_reach_px(self) -> int:
        """Nothing is trimmed: what it pads with is its own affair."""
        return 0

    @property
    def reach_px(self) -> int:
        return 0

    def encode(self, condition: Tensor) -> Encoding:
        """A condition in [0, 1] on the grid of states: nothing here runs once, the mean is zero."""
        context = F.pixel_unshuffle((condition - 0.5) * 2.0, SCALE)
        batch, _, height, width = context.shape
        return Encoding(context.new_zeros(batch, self.channels, height, width), context)

    def denoise(self, state: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """x0 of a state at noise level sigma (B,), in units of the residual's deviation."""
        level = self.embedding(noise_phases(sigma))
        total = (sigma * sigma + 1.0).sqrt()[:, None, None, None]
        hidden = self.entry(torch.cat((state / total, context), dim=1))
        kept = []
        for depth, block in enumerate(self.down):
            if depth:
                hidden = F.avg_pool2d(hidden, 2)
            hidden = block(hidden, level)
            kept.append(hidden)
        hidden = self.middle(self.attention(hidden), level)
        for depth, block in enumerate(self.up):
            if depth:
                hidden = F.interpolate(hidden, scale_factor=2.0)
            hidden = block(torch.cat((hidden, kept[-1 - depth]), dim=1), level)
        return preconditioned(state, self.exit(hidden), sigma)


KINDS = {**LOCAL, "global": Kind(GlobalConfig, GlobalDenoiser)}
"""What evaluation and training read and write."""


def _normed(width_in: int, width_out: int, *, zero: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width_out, 3, padding=1)
    if zero:
        nn.init.zeros_(convolution.weight)
    return nn.Sequential(nn.GroupNorm(GROUPS, width_in), nn.SiLU(), convolution)


class _Block(nn.Module):
    def __init__(self, width_in: int, width_out: int, embedding: int) -> None:
        super().__init__()
        self.first = _normed(width_in, width_out)
        self.level = nn.Linear(embedding, width_out)
        self.second = _normed(width_out, width_out, zero=True)
        self.skip = nn.Identity() if width_in == width_out else nn.Conv2d(width_in, width_out, 1)

    def forward(self, features: Tensor, level: Tensor) -> Tensor:
        hidden = self.first(features) + self.level(level)[:, :, None, None]
        out: Tensor = self.skip(features) + self.second(hidden)
        return out


class _Attention(nn.Module):
    """Every pixel of the coarsest resolution looks at every other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.queries = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor) -> Tensor:
        flat = self.queries(self.norm(features)).flatten(2).transpose(1, 2)
        attended = F.scaled_dot_product_attention(*flat.chunk(3, dim=-1))
        out: Tensor = features + self.out(attended.transpose(1, 2).reshape(features.shape))
        return out
