"""SPAN x4, a small network for efficient super-resolution: a peer, and a teacher of the mean.

The swift parameter-free attention network (Wan et al., arXiv:2311.12770) in the reduced form of
the NTIRE challenge on efficient super-resolution, 0.15 M parameters (MIT licence). Its file is
not shipped; this independent implementation reads it.

    f0 = conv_1(x); six blocks; conv_cat of f0, conv_2 of the last block, the first block, and the
    last block's first convolution behind its rectifier (the original rectifies in place); then
    pixels by a shuffle of 4.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import CheckpointError

SCALE = 4
WIDTH = 28
BLOCKS = 6
_MEANS = (0.4488, 0.4371, 0.4040)


class Span(nn.Module):
    """Pictures (B, 3, h, w) in [0, 1] -> (B, 3, 4h, 4w), not projected onto their data."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList(_Block() for _ in range(BLOCKS))
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.joined = nn.Conv2d(4 * WIDTH, WIDTH, 1)
        self.pixels = nn.Conv2d(WIDTH, 3 * SCALE**2, 3, padding=1)

    def forward(self, low: Tensor) -> Tensor:
        means = low.new_tensor(_MEANS)[:, None, None]
        start = self.first((low - means) * 255.0)
        features, early, activation = start, start, start
        for index, block in enumerate(self.blocks):
            features, activation = block(features)
            if index == 0:
                early = features
        joined = self.joined(torch.cat((start, self.second(features), early, activation), dim=1))
        return F.pixel_shuffle(self.pixels(joined), SCALE)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and its first activation."""
        activation = F.silu(self.convolutions[0](features))
        last = self.convolutions[2](F.silu(self.convolutions[1](activation)))
        return (last + features) * (torch.sigmoid(last) - 0.5), activation


def load_span(path: Path) -> Span:
    """The network with the parameters of the challenge's file (its team00 baseline).

    Raises CheckpointError where the file cannot be read or holds something else.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network = Span()
        network.load_state_dict({_renamed(name): value for name, value in stored.items()})
    except (OSError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not the parameters of SPAN x4") from error
    return network.requires_grad_(False).eval()


def _renamed(name: str) -> str:
    """A parameter's name here, from its name in the file."""
    where, _, kind = name.rpartition(".")
    parts = where.removesuffix(".eval_conv").split(".")
    heads = {"conv_1": "first", "conv_2": "second", "conv_cat": "joined", "upsampler": "pixels"}
    if parts[0].startswith("block_"):
        block, convolution = int(parts[0][6:]) - 1, int(parts[1][1]) - 1
        return f"blocks.{block}.convolutions.{convolution}.{kind}"
    return f"{heads.get(parts[0], parts[0])}.{kind}"
