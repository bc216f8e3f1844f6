"""Counter-based noise: unit normals that are a function of their address and of nothing else.

A number's address is (noise_seed, stream, zoom, step, patch, channel, row, column). The first five
are hashed to a 64-bit key. From it SplitMix64 (Steele, Lea and Flood, OOPSLA 2014; its output
passes BigCrush) makes a counter for every row, column and group of four channels, and 64 bits from
their sum, in integer operations that every device has. The 64 bits are cut into four numbers of 14
bits, which look up a table of normal quantiles: integers and a table give the same bits on any
processor, which Box-Muller's logarithms and sines would not. The resolution (the largest deviate is
4.0) lies far below what an 8-bit picture shows.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Tensor

from engine.sampling.lattice import Lattice, Patch
from engine.window import Window

_GAMMA = 0x9E3779B97F4A7C15
"""SplitMix64's step from one counter to the next."""
_AXES = (0x632BE59BD9B4E019, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7)
"""Distinguish the counters of rows, columns and groups of channels."""
_BITS = 14
_LEVELS = 1 << _BITS
_PER_WORD = 4
"""Normals that 64 bits yield."""
_SPARE = 64 - _PER_WORD * _BITS
_STRIP_WORDS = 16384
"""Words that are worked on at a time: they stay in a processor's cache."""


@dataclass(frozen=True, slots=True)
class NoiseField:
    """The noise of one picture: a noise_seed, and a stream for each group of its channels."""

    noise_seed: int
    stream: int
    zoom: int

    def key(self, step: int, patch: Patch) -> int:
        """The 64-bit key of one step of one patch."""
        address = struct.pack(
            "<6q", self.noise_seed, self.stream, self.zoom, step, patch.row, patch.col
        )
        return int.from_bytes(hashlib.blake2b(address, digest_size=8).digest(), "little")

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


def normals(key: int, window: Window, channels: int, device: str = "cpu") -> Tensor:
    """Unit normals (channels, H, W) at a window's absolute coordinates.

    Raises ValueError where these lie beyond 64 bits.
    """
    if max(abs(v) for v in (window.row, window.col, window.bottom, window.right)) >= 1 << 63:
        raise ValueError(f"{window} lies beyond the coordinates that noise is drawn for")
    rows = _counters(key, 0, window.row, window.height, device)
    cols = _counters(key, 1, window.col, window.width, device)
    groups = -(-channels // _PER_WORD)
    group = _counters(key, 2, 0, groups, device)
    field = torch.empty(groups, _PER_WORD, window.height, window.width, device=device)
    table = _quantiles(device)
    strip = max(1, _STRIP_WORDS // (groups * window.width))
    for top in range(0, window.height, strip):
        part = field[:, :, top : top + strip]
        counters = group[:, None, None] + (rows[top : top + strip, None] + cols)
        words = split_mix(counters)
        for place in range(_PER_WORD):
            numbers = words >> _SPARE + place * _BITS & _LEVELS - 1
            part[:, place] = table.index_select(0, numbers.flatten()).view(words.shape)
    return field.flatten(0, 1)[:channels]


def _counters(key: int, axis: int, start: int, count: int, device: str) -> Tensor:
    """One scrambled counter a coordinate of an axis, so that sums of them are scattered."""
    places = torch.arange(start, start + count, dtype=torch.int64, device=device)
    return split_mix(places * _signed(_GAMMA) + _signed(key ^ _AXES[axis]))


def split_mix(counter: Tensor) -> Tensor:
    """SplitMix64's output function of 64-bit counters held in int64, bit for bit."""
    # Products wrap modulo 2^64; shifts are of signed numbers, whose copied sign bits are masked.
    mixed = counter ^ (counter >> 30 & (1 << 34) - 1)
    mixed *= _signed(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> 27 & (1 << 37) - 1
    mixed *= _signed(0x94D049BB133111EB)
    mixed ^= mixed >> 31 & (1 << 33) - 1
    return mixed


def _signed(word: int) -> int:
    """The int64 that has the bits of an unsigned 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


@lru_cache(maxsize=4)
def _quantiles(device: str) -> Tensor:
    """The normal quantiles of 14-bit numbers, with mean 0 and variance 1 to within 2^-16."""
    normal = NormalDist()
    upper = [normal.inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS // 2, _LEVELS)]
    deviation = (sum(value * value for value in upper) / len(upper)) ** 0.5
    # Rounded to 2^-16, so that no libm's last bit shows.
    rounded = [round(value / deviation * 65536) / 65536 for value in upper]
    table = [-value for value in reversed(rounded)] + rounded
    return torch.tensor(table, dtype=torch.float32, device=device)
