"""The methods that are compared: interpolations, peers, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image

from engine.evaluation.upsampling import interpolate, resample, super_resolve
from engine.imagery import Pixels
from engine.network.checkpoint import Checkpoint
from engine.network.projection import pool, up
from engine.sampling.settings import SamplerSettings
from tileserver.lab.peers import Drawn, Levels, Peer

TILE_PX = 256
"""Peers draw each tile of this size separately, as behind a tile server."""
MAX_FACTOR = 8
"""No peer supports it: the pictures of x4 models are doubled by interpolation."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of enlarging (C, h, w) in [0, 1] by a factor."""

    name: str
    enlarge: Callable[[Pixels], Pixels]


def list_methods(
    factor: int, checkpoints: Sequence[tuple[Checkpoint, SamplerSettings]], peers: Sequence[Peer]
) -> list[Method]:
    """The methods for a factor, simplest first."""
    zooms = factor.bit_length() - 1
    found = [
        Method("bicubic", partial(resample, zooms=zooms, kernel=Image.Resampling.BICUBIC)),
        Method("Lanczos", partial(resample, zooms=zooms, kernel=Image.Resampling.LANCZOS)),
        Method("cubic, consistent", partial(interpolate, zooms=zooms)),
    ]
    found += [
        Method(peer.name, partial(_enlarged, peer=peer, factor=factor))
        for peer in peers
        if _draws(peer, factor)
    ]
    found += [
        Method(
            f"{checkpoint.name}, {settings.schedule.steps} steps",
            partial(super_resolve, checkpoint=checkpoint, settings=settings, zooms=zooms),
        )
        for checkpoint, settings in checkpoints
    ]
    return found


def _draws(peer: Peer, factor: int) -> bool:
    """Whether a peer can be compared at a factor: directly, halved or doubled."""
    halved = peer.only_scale and peer.scale == 2 * factor
    doubled = 2 * peer.scale == factor == MAX_FACTOR
    return peer.scale == factor or halved or doubled


def _enlarged(low: Pixels, peer: Peer, factor: int) -> Pixels:
    drawn = _by_tiles(low, peer, factor)
    return _projected(drawn, low) if peer.projected else drawn


def _projected(drawn: Pixels, low: Pixels) -> Pixels:
    """The nearest picture to drawn whose means equal low."""
    means = torch.from_numpy(drawn)
    while means.shape[-1] > low.shape[-1]:
        means = pool(means)
    missing = torch.from_numpy(low) - means
    while missing.shape[-1] < drawn.shape[-1]:
        missing = up(missing)
    pixels: Pixels = drawn + missing.numpy()
    return pixels


def _by_tiles(low: Pixels, peer: Peer, factor: int) -> Pixels:
    """A peer's tiles side by side, without overlap."""
    size = TILE_PX // factor
    out = np.empty((3, low.shape[1] * factor, low.shape[2] * factor), np.float32)
    levels = np.rint(low.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    for row in range(0, low.shape[1], size):
        for col in range(0, low.shape[2], size):
            tile: Levels = np.ascontiguousarray(levels[row : row + size, col : col + size])
            drawn = _fitted(peer.upscale(tile), peer.scale, factor)
            height, width = drawn.shape[1:]
            top, left = row * factor, col * factor
            out[:, top : top + height, left : left + width] = drawn
    return out


def _fitted(levels: Drawn, scale: int, factor: int) -> Pixels:
    """A tile (h, w, 3) at a peer's scale as (3, H, W) at a factor."""
    planes = np.ascontiguousarray(levels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
    if scale == 2 * factor:
        halved: Pixels = pool(torch.from_numpy(planes)).numpy()
        return halved
    return resample(planes, 1, Image.Resampling.BICUBIC) if factor == 2 * scale else planes
