"""Crops of pictures, gathered a batch at once from one tensor that holds all imagery.

On a GPU the imagery lies in its memory, so that no batch waits for a processor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.network.projection import pool
from engine.training.imagery import Collection

REDUCED_AGAIN = 0.25
"""Share of crops that are reduced once more, so that one picture teaches two ground sizes."""


class CropSource:
    """Crops of collections: any place, any of the eight orientations, many ground sizes."""

    def __init__(self, collections: Sequence[Collection], device: str) -> None:
        """collections: as `imagery.prepared` leaves them."""
        pictures = [picture for collection in collections for picture in collection.pictures]
        total = sum(collection.weight for collection in collections)
        self._shares = np.concatenate(
            [
                _areas(c.pictures) * (c.weight / total / _areas(c.pictures).sum())
                for c in collections
            ]
        )
        self._sizes = np.array([picture.shape[:2] for picture in pictures])
        counts = self._sizes.prod(axis=1)
        self._offsets = np.concatenate(([0], counts.cumsum()[:-1]))
        self._pixels = torch.empty((int(counts.sum()), 3), dtype=torch.uint8, device=device)
        for picture, offset, count in zip(pictures, self._offsets, counts, strict=True):
            pixels = np.ascontiguousarray(picture).reshape(-1, 3)
            self._pixels[int(offset) : int(offset + count)] = torch.from_numpy(pixels).to(device)

    def crops(self, count: int, crop_px: int, generator: np.random.Generator) -> Tensor:
        """(count, 3, crop_px, crop_px) in [0, 1], in multiples of 1/255, of random pictures.

        No picture may be smaller than crop_px.
        """
        chosen = generator.choice(len(self._sizes), size=count, p=self._shares)
        fits = self._sizes[chosen].min(axis=1) >= 2 * crop_px
        reduced = fits & (generator.random(count) < REDUCED_AGAIN)
        place = generator.random((count, 2))
        orientation = generator.integers(8, size=count)
        crops = torch.empty((count, 3, crop_px, crop_px), device=self._pixels.device)
        for factor, which in ((1, np.flatnonzero(~reduced)), (2, np.flatnonzero(reduced))):
            if len(which):
                levels = self._gathered(
                    chosen[which], factor * crop_px, place[which], orientation[which]
                )
                if factor == 2:
                    levels = pool(levels).round()
                crops[torch.from_numpy(which).to(crops.device)] = levels / 255.0
        return crops

    def _gathered(
        self,
        chosen: NDArray[np.int64],
        side: int,
        place: NDArray[np.float64],
        orientation: NDArray[np.int64],
    ) -> Tensor:
        """Levels (B, 3, side, side) at places (B, 2) in [0, 1) of pictures, turned and mirrored."""
        width = self._sizes[chosen, 1]
        row, col = np.floor(place * (self._sizes[chosen] - side + 1)).astype(np.int64).T
        start = self._offsets[chosen] + row * width + col
        upwards, leftwards, transposed = (orientation >> bit & 1 == 1 for bit in range(3))
        start = start + (side - 1) * (upwards * width + leftwards)
        along_row, along_col = width * np.where(upwards, -1, 1), np.where(leftwards, -1, 1)
        first, second = (
            np.where(transposed, along_col, along_row),
            np.where(transposed, along_row, along_col),
        )
        device = self._pixels.device
        corner, down, right = (
            torch.from_numpy(part)[:, None, None].to(device) for part in (start, first, second)
        )
        steps = torch.arange(side, device=device)
        index = corner + steps[:, None] * down + steps * right
        return self._pixels[index].permute(0, 3, 1, 2).float()


def _areas(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    return np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=np.float64)
