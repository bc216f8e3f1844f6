"""The patch lattice: positions of patches, their weights, and the effect on variance.

Patch (i, j) covers rows [i stride, i stride + patch) and the same columns; the lattice is
unbounded and patch indices may be negative. Weights are positive everywhere and separable, and so
are W = sum of w and S = sqrt(sum of w^2) over the patches that cover a pixel: both are products
of a row and a column profile, known from the lattice alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.window import Window

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Patch:
    """A patch's position on the lattice."""

    row: int
    col: int


@dataclass(frozen=True, slots=True)
class Blend:
    """One patch over one window: its weight, and W and S there, each as (rows, columns)."""

    weight: tuple[Profile, Profile]
    total: tuple[Profile, Profile]
    root: tuple[Profile, Profile]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Square patches of patch_px every stride_px, in state pixels."""

    patch_px: int = 256
    stride_px: int = 224

    def __post_init__(self) -> None:
        if not 0 < self.stride_px <= self.patch_px:
            raise ValueError(
                f"stride must be 1 to the patch's {self.patch_px} px, not {self.stride_px}"
            )

    def support(self, patch: Patch) -> Window:
        """The pixels that a patch covers."""
        row, col = patch.row * self.stride_px, patch.col * self.stride_px
        return Window(row, col, self.patch_px, self.patch_px)

    def cover(self, window: Window) -> Iterator[Patch]:
        """The patches that intersect a window, in the canonical order of summation."""
        for row in self._covering(window.row, window.height):
            for col in self._covering(window.col, window.width):
                yield Patch(row, col)

    def owned(self, patch: Patch) -> Window:
        """The pixels that the patch owns; every pixel has one owner."""
        inset = (self.patch_px - self.stride_px) // 2
        support = self.support(patch)
        return Window(support.row + inset, support.col + inset, self.stride_px, self.stride_px)

    def owners(self, window: Window) -> Iterator[Patch]:
        """The patches that own pixels of a window."""
        inset, stride = (self.patch_px - self.stride_px) // 2, self.stride_px
        for row in range((window.row - inset) // stride, (window.bottom - 1 - inset) // stride + 1):
            for col in range(
                (window.col - inset) // stride, (window.right - 1 - inset) // stride + 1
            ):
                yield Patch(row, col)

    def blend(self, patch: Patch, window: Window) -> Blend:
        """The patch's weights over a window inside its support."""
        if not self.support(patch).contains(window):
            raise ValueError(f"{window} does not lie inside {patch}")
        rows = window.row - patch.row * self.stride_px
        cols = window.col - patch.col * self.stride_px
        weight, total, root = _profiles(self)
        down, across = slice(rows, rows + window.height), slice(cols, cols + window.width)
        return Blend(
            (weight[down], weight[across]), (total[down], total[across]), (root[down], root[across])
        )

    def _covering(self, start: int, size: int) -> range:
        first = -((self.patch_px - 1 - start) // self.stride_px)
        return range(first, (start + size - 1) // self.stride_px + 1)


@lru_cache(maxsize=16)
def _profiles(lattice: Lattice) -> tuple[Profile, Profile, Profile]:
    """Weight, W and S along one axis of a patch: each is the same in every patch."""
    patch, stride = lattice.patch_px, lattice.stride_px
    position = np.arange(patch)
    # A linear ramp across the overlap, never zero, so that two ramps add to one.
    ramp = np.minimum(position + 1, patch - position) / (patch - stride + 1)
    weight: Profile = np.minimum(1.0, ramp)
    total, squares = np.zeros(patch), np.zeros(patch)
    for shift in range(-(-patch // stride) * -stride, patch, stride):
        low, high = max(0, shift), min(patch, patch + shift)
        if low < high:
            moved = weight[low - shift : high - shift]
            total[low:high] += moved
            squares[low:high] += moved**2
    return weight, total, np.sqrt(squares)
