"""All ways that are compared: interpolations, peers, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image

from engine.checkpoint import Checkpoint
from engine.evaluation.ways import interpolated, resampled, super_resolved
from engine.imagery import Pixels
from engine.projection import pool
from engine.sampler import SamplerSettings
from tileserver.evaluating.peers import Levels, Peer

TILE_PX = 256
"""Peers draw tiles of this size alone, as behind a tile server."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to enlarge (C, h, w) in [0, 1] by a factor."""

    name: str
    enlarge: Callable[[Pixels], Pixels]


def ways(
    factor: int, checkpoints: Sequence[tuple[Checkpoint, SamplerSettings]], peers: Sequence[Peer]
) -> list[Way]:
    """The ways to enlarge by a factor, simplest first."""
    zooms = factor.bit_length() - 1
    found = [
        Way("bicubic", partial(resampled, zooms=zooms, kernel=Image.Resampling.BICUBIC)),
        Way("Lanczos", partial(resampled, zooms=zooms, kernel=Image.Resampling.LANCZOS)),
        Way("cubic, consistent", partial(interpolated, zooms=zooms)),
    ]
    found += [
        Way(_name(peer, factor), partial(_by_tiles, peer=peer, factor=factor))
        for peer in peers
        if peer.scale == factor or (peer.only_scale and peer.scale == 2 * factor)
    ]
    found += [
        Way(
            f"{checkpoint.name}, {settings.schedule.steps} steps",
            partial(super_resolved, checkpoint=checkpoint, settings=settings, zooms=zooms),
        )
        for checkpoint, settings in checkpoints
    ]
    return found


def _name(peer: Peer, factor: int) -> str:
    return peer.name if peer.scale == factor else f"{peer.name}, halved"


def _by_tiles(low: Pixels, peer: Peer, factor: int) -> Pixels:
    """A peer's tiles pasted beside each other, without overlap."""
    size = TILE_PX // factor
    out = np.empty((3, low.shape[1] * factor, low.shape[2] * factor), np.float32)
    levels = np.rint(low.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    for row in range(0, low.shape[1], size):
        for col in range(0, low.shape[2], size):
            tile: Levels = np.ascontiguousarray(levels[row : row + size, col : col + size])
            drawn = peer.upscale(tile).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
            if peer.scale == 2 * factor:
                drawn = pool(torch.from_numpy(np.ascontiguousarray(drawn))).numpy()
            height, width = drawn.shape[1:]
            top, left = row * factor, col * factor
            out[:, top : top + height, left : left + width] = drawn
    return out
