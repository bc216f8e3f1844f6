"""The shipped denoiser: local, compact, and split into a part that runs once and one a step.

        condition (C, 2h, 2w)                       state x (15C, h, w), sigma
                |                                           |
           unshuffle x2                                     |
                |                                           |
     encoder: residual blocks --- mean, context --->  denoiser: residual blocks, sigma in each
        (once a window)                                     |
                                                    x0 = c_skip x + c_out F  (EDM preconditioning)

A window holds two zooms: the Haar bands of both on the parent's grid (projection.to_pair_bands),
as residuals to those of the condition's cubic doubling, in units of their standard deviation.
The encoder estimates their *mean*, the picture without invented texture; states are residuals to
that mean. Asked for it, it also estimates how far the picture is from the truth (`deviation`).
One cell of the network is one pixel of the parent: coarser cells make straight edges ragged.

All convolutions are valid, no layer looks beyond its own pixels otherwise, and there is no
normalisation across pixels: so a pixel's value is a function of its neighbourhood
(encode_reach_px, reach_px) and of nothing else, wherever the window lies. Activations are leaky
ReLU, because it is bit-exact: exponentials differ in the scalar tail of a vectorised loop.
Convolutions run in channels-last order, in which their sums have one order for windows of any size
from pictures.super_resolution.MIN_STATE_PX up (measured; tests/engine/sampling/test_sampler.py,
test_windows_of_any_shape_are_crops_of_one_picture_bit_for_bit). Training may pad instead
(`padded`), so that small crops are not used up by their margins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network.network import Network
from engine.sampling.denoising import Encoding, crop_to

SCALE = 2
"""Condition pixels a state pixel, per axis."""
PAIR_SCALE = 4
"""Picture pixels of the deeper zoom a state pixel, per axis."""
BANDS = 15
"""Bands of two zooms, a colour: 3 of the upper zoom and 12 of the deeper one."""
DEVIATIONS = SCALE**2 + PAIR_SCALE**2
"""Pixels of two zooms, a colour, whose error is estimated."""
LEAST_DEVIATION = 0.01
"""Of an error, in units of the residual's deviation: nothing is sure."""
NEGATIVE_SLOPE = 0.1
EMBEDDING_FREQUENCIES = 16


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The denoiser's shape, kept in its checkpoint's metadata."""

    width: int = 48
    encoder_blocks: int = 5
    denoiser_blocks: int = 1
    image_channels: int = 3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")


def _rectify(fresh: Tensor) -> Tensor:
    """A convolution's own output, rectified in place: large windows are bound by memory."""
    return F.leaky_relu(fresh, NEGATIVE_SLOPE, inplace=True)


class Convolution(nn.Conv2d):
    """A 3x3 convolution: valid, 1 px of reach; or zero-padded, to train on small crops."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(width_in, width_out, 3)

    def pad(self, padded: bool) -> None:
        self.padding = (1, 1) if padded else (0, 0)

    def modulated(self, features: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        """The output times scale plus shift, each (B, width, 1, 1), or (1, ...) for the batch.

        One modulation for the whole batch is folded into the parameters: fewer passes over it.
        """
        if len(scale) > 1:
            out: Tensor = self(features) * scale
            return out if shift is None else out + shift
        factors = scale[0, :, 0, 0]
        bias = None if self.bias is None else self.bias * factors
        if bias is not None and shift is not None:
            bias = bias + shift[0, :, 0, 0]
        weight = self.weight * scale[0][..., None]
        return F.conv2d(features, weight, bias, self.stride, self.padding)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip: 2 px of reach."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width)
        self.second = Convolution(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        if scale is None:
            hidden = self.first(features)
        else:
            hidden = self.first.modulated(features, scale, shift)
        out: Tensor = self.second(_rectify(hidden))
        out += crop_to(features, out.shape[-2], out.shape[-1])
        return out


class LocalDenoiser(Network):
    """EDM-preconditioned denoiser of two zooms' bands whose receptive field is bounded.

    `encode` maps a condition (B, C, 2H, 2W) to the mean (B, 15C, h, w) and to the context of the
    denoiser; `denoise` maps a state (B, 15C, h, w), its sigma and that context to x0, smaller by
    reach_px on every side.
    """

    config: NetworkConfig

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.image_channels
        self.channels = BANDS * channels
        self.local = True
        self.padded = False
        """Whether convolutions pad with zeros: training's crops only, never a window."""
        self.stem = Convolution(channels * SCALE**2, width)
        self.encoder = nn.ModuleList(ResidualBlock(width) for _ in range(config.encoder_blocks))
        self.mean = Convolution(width, self.channels)
        self.deviations = Convolution(width, DEVIATIONS * channels)
        self.context = Convolution(self.channels + width, width)
        self.entry = Convolution(self.channels, width)
        self.embedding = nn.Sequential(
            nn.Linear(2 * EMBEDDING_FREQUENCIES, width),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(width, 2 * width * config.denoiser_blocks),
        )
        self.denoiser = nn.ModuleList(ResidualBlock(width) for _ in range(config.denoiser_blocks))
        self.exit = nn.Conv2d(width, self.channels, 1)
        for last in (self.mean, self.exit, self.deviations):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # bias=True by default
        nn.init.ones_(self.deviations.bias)  # type: ignore[arg-type]  # as the residual's

    @property
    def encode_reach_px(self) -> int:
        """State pixels that `encode` trims from every side of its window."""
        # The stem, the blocks, the mean's head, the context's head.
        return 0 if self.padded else 1 + 2 * self.config.encoder_blocks + 1 + 1

    @property
    def reach_px(self) -> int:
        """State pixels that `denoise` trims from every side of its window."""
        return 0 if self.padded else 1 + 2 * self.config.denoiser_blocks

    def pad(self, padded: bool) -> None:
        """Pad convolutions with zeros, or not."""
        self.padded = padded
        for module in self.modules():
            if isinstance(module, Convolution):
                module.pad(padded)

    def encode(self, condition: Tensor) -> Encoding:
        """The mean and the denoiser's context, from a condition in [0, 1]."""
        features = _rectify(self.features(condition))
        mean = self.mean(features)
        inner = crop_to(features, mean.shape[-2], mean.shape[-1])
        # Texture is drawn around the mean; what is drawn does not pull at it in training.
        context = self.context(torch.cat((mean.detach(), inner), dim=1))
        return Encoding(crop_to(mean, context.shape[-2], context.shape[-1]), context)

    def deviation(self, condition: Tensor) -> Tensor:
        """The error's standard deviation (B, 20C, h, w), in units of the residual's deviation.

        Of a picture drawn from the condition: the pixels of the upper zoom, then of the deeper one,
        as `pixel_unshuffle` orders them. Trims encode_reach_px.
        """
        estimates = self.deviations(_rectify(self.features(condition)))
        spare_px = 0 if self.padded else 1  # the context's head, which only `encode` applies
        height, width = (side - 2 * spare_px for side in estimates.shape[-2:])
        # An absolute value is exact on any processor, which exponentials are not.
        return crop_to(estimates, height, width).abs() + LEAST_DEVIATION

    def features(self, condition: Tensor) -> Tensor:
        """The encoder's features of a condition, before its heads."""
        centred = (condition - 0.5) * 2.0
        features: Tensor = self.stem(_channels_last(F.pixel_unshuffle(centred, SCALE)))
        for block in self.encoder:
            features = block(features, None, None)
        return features

    def denoise(self, state: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """x0 of a state at noise level sigma (B,) or (1,), in units of the residual's deviation."""
        level = sigma[:, None, None, None]
        total = (level * level + 1.0).sqrt()
        hidden: Tensor = self.entry(_channels_last(state / total))
        hidden += crop_to(context, hidden.shape[-2], hidden.shape[-1])
        for block, (scale, shift) in zip(self.denoiser, self._modulations(sigma), strict=True):
            hidden = block(hidden, scale, shift)
        return preconditioned(state, self.exit(_rectify(hidden)), sigma)

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
    skipped += raw * (level / total)
    return skipped


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
