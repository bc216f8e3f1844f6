"""Training data: collections of pictures, reduced until they are sharp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError

Picture = NDArray[np.uint8]
"""(H, W, 3), sRGB as stored."""

SOFT_DB = 33.0
"""A picture that survives halving and doubling with a higher PSNR carries no detail at 1:1."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Pictures of one kind, and how often to draw from them relative to other collections."""

    name: str
    weight: float
    pictures: tuple[Picture, ...]


def halved(picture: Picture) -> Picture:
    """Every 2x2 block averaged; an odd last row or column is left out."""
    height, width = (size // 2 * 2 for size in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    mean: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return np.rint(mean).astype(np.uint8)


def sharpened(picture: Picture, crop_px: int) -> Picture:
    """The picture reduced until its finest pixels carry detail, while crops still fit."""
    while min(picture.shape[:2]) >= 2 * crop_px and _sharpness_db(picture) > SOFT_DB:
        picture = halved(picture)
    return picture


def _sharpness_db(picture: Picture) -> float:
    """PSNR of halving and nearest doubling: low where neighbouring pixels differ."""
    half = halved(picture)
    again = half.repeat(2, axis=0).repeat(2, axis=1)
    difference = picture[: again.shape[0], : again.shape[1]].astype(np.float32) - again
    return float(20 * np.log10(255) - 10 * np.log10(np.mean(difference**2) + 1e-9))


def prepared(collections: Sequence[Collection], crop_px: int) -> list[Collection]:
    """The collections with soft pictures reduced and those too small for a crop left out."""
    usable = []
    for collection in collections:
        large = [p for p in collection.pictures if min(p.shape[:2]) >= crop_px]
        if large:
            pictures = tuple(sharpened(p, crop_px) for p in large)
            usable.append(Collection(collection.name, collection.weight, pictures))
    if not usable:
        raise TrainingError(f"no picture is at least {crop_px} px on each side")
    return usable
