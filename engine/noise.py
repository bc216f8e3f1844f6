"""Counter-based noise: unit normals that are a function of their address and of nothing else.

A number's address is (noise_seed, stream, zoom, step, patch, channel, row, column). The first five
are digested to a 64-bit key; row, column and channel are the counter of Philox 4x32-10 (Salmon et
al., SC'11), computed in 64-bit integer operations that every device has. Its 128 bits are cut into
nine numbers of 14 bits, a colour state's nine bands, that look up a table of normal quantiles:
integers and a table give the same bits on any processor, which Box-Muller's logarithms and sines
would not, in one Philox call where it takes three. The resolution (the largest deviate is 4.0) lies
far below what an 8-bit picture shows.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Tensor

from engine.lattice import Lattice, Patch
from engine.window import Window

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_COORDINATE_LIMIT = 1 << 47
"""Rows and columns are told apart within +-2^47: zoom 39 of a 256 px pyramid."""
_BITS = 14
_LEVELS = 1 << _BITS
_STRIP_PX = 16384
"""Counters that are worked on at a time: their words stay in a processor's cache."""
_PER_CALL = 9
"""Normals that one Philox call yields: 9 x 14 of its 128 bits."""


@dataclass(frozen=True, slots=True)
class NoiseField:
    """The noise of one picture: a noise_seed, and a stream for each group of its channels."""

    noise_seed: int
    stream: int
    zoom: int

    def key(self, step: int, patch: Patch) -> tuple[int, int]:
        """Philox's key for one step of one patch."""
        address = struct.pack(
            "<6q", self.noise_seed, self.stream, self.zoom, step, patch.row, patch.col
        )
        first, second = struct.unpack("<2I", hashlib.blake2b(address, digest_size=8).digest())
        return first, second

    def patch(
        self, step: int, patch: Patch, window: Window, channels: int, device: str = "cpu"
    ) -> Tensor:
        """One patch's unit normals over a window anywhere, (channels, H, W)."""
        return normals(self.key(step, patch), window, channels, device)

    def fused(
        self, step: int, lattice: Lattice, window: Window, channels: int, device: str = "cpu"
    ) -> Tensor:
        """SDVC's noise xi = sum_i w_i eps_i / S, (channels, H, W): white, of unit variance."""
        field = torch.zeros(channels, window.height, window.width, device=device)
        for patch in lattice.cover(window):
            part = lattice.support(patch).intersection(window)
            if part is None:
                continue
            blend = lattice.blend(patch, part)
            down, across = (
                torch.from_numpy(weight / root).to(device, torch.float32)
                for weight, root in zip(blend.weight, blend.root, strict=True)
            )
            share = self.patch(step, patch, part, channels, device)
            share *= down[:, None]
            share *= across
            rows, cols = window.slices(part)
            field[:, rows, cols] += share
        return field


def normals(key: tuple[int, int], window: Window, channels: int, device: str = "cpu") -> Tensor:
    """Unit normals (channels, H, W) at a window's absolute coordinates."""
    if max(abs(v) for v in (window.row, window.col, window.bottom, window.right)) > (
        _COORDINATE_LIMIT
    ):
        raise ValueError(f"{window} lies beyond the {_COORDINATE_LIMIT} px that noise is drawn for")
    groups = -(-channels // _PER_CALL)
    field = torch.empty(groups, _PER_CALL, window.height, window.width, device=device)
    strip = max(1, _STRIP_PX // (groups * window.width))
    for top in range(0, window.height, strip):
        part = field[:, :, top : top + strip]
        _fill(part, key, window.row + top, window.col)
    return field.flatten(0, 1)[:channels]


def _fill(field: Tensor, key: tuple[int, int], row: int, col: int) -> None:
    """Unit normals into (groups, _PER_CALL, H, W), whose first pixel is (row, col)."""
    groups, _, height, width = field.shape
    rows = torch.arange(row, row + height, device=field.device)[:, None]
    cols = torch.arange(col, col + width, device=field.device)[None, :]
    high = ((rows >> 32) & 0xFFFF) << 16 | ((cols >> 32) & 0xFFFF)
    group = torch.arange(groups, device=field.device)[:, None, None]
    # Words are as small as they can be until the rounds have mixed them: broadcasting is cheap.
    words = philox((cols & _MASK, rows & _MASK, high, group), key)
    table = _quantiles(str(field.device))
    for place, number in enumerate(_numbers(words)):
        field[:, place] = torch.take(table, number)


def _numbers(words: tuple[Tensor, Tensor, Tensor, Tensor]) -> list[Tensor]:
    """Nine 14-bit numbers: four from each pair of words, the ninth from what both leave over."""
    pairs = (words[0] | words[1] << 32, words[2] | words[3] << 32)
    numbers = [pair >> shift & _LEVELS - 1 for pair in pairs for shift in (0, 14, 28, 42)]
    return [*numbers, (pairs[0] >> 56 & 0xFF) << 6 | pairs[1] >> 58 & 0x3F]


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox 4x32-10 of 32-bit words held in int64 tensors."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # The products wrap modulo 2^64, which leaves both halves' bits as they should be.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


@lru_cache(maxsize=4)
def _quantiles(device: str) -> Tensor:
    """The normal quantiles of 14-bit numbers, with mean 0 and variance 1 exactly enough."""
    normal = NormalDist()
    upper = [normal.inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS // 2, _LEVELS)]
    deviation = (sum(value * value for value in upper) / len(upper)) ** 0.5
    # Rounded to 2^-16, so that no libm's last bit shows.
    rounded = [round(value / deviation * 65536) / 65536 for value in upper]
    table = [-value for value in reversed(rounded)] + rounded
    return torch.tensor(table, dtype=torch.float32, device=device)
