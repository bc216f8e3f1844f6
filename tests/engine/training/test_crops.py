"""Crops gathered from one tensor are crops of the pictures, from anywhere and any way round."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.training.crops import CropSource
from engine.training.imagery import Collection, halved

CROP_PX = 16


def crops_of(picture: NDArray[np.uint8]) -> dict[bytes, tuple[int, bool]]:
    """All crops of a picture by their bytes, each with its orientation."""
    found = {}
    for row in range(picture.shape[0] - CROP_PX + 1):
        for col in range(picture.shape[1] - CROP_PX + 1):
            crop = picture[row : row + CROP_PX, col : col + CROP_PX]
            for turns in range(4):
                turned = np.rot90(crop, turns)
                found[turned.tobytes()] = (turns, False)
                found[turned[:, ::-1].tobytes()] = (turns, True)
    return found


def levels(crops: torch.Tensor) -> list[NDArray[np.uint8]]:
    return list((crops * 255).round().byte().permute(0, 2, 3, 1).numpy())


def test_crops_come_from_all_places_in_all_orientations_as_often_as_their_weights_say() -> None:
    generator = np.random.default_rng(0)
    one, other = (
        generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((18, 24), (20, 30))
    )
    source = CropSource([Collection("one", 1.0, (one,)), Collection("other", 3.0, (other,))], "cpu")
    crops = levels(source.crops(800, CROP_PX, generator))
    known = [crops_of(one), crops_of(other)]
    counts = Counter((which, found[c.tobytes()]) for c in crops for which, found in enumerate(known)
                     if c.tobytes() in found)  # fmt: skip
    assert sum(counts.values()) == 800
    assert len(counts) == 16
    assert 160 < sum(n for (which, _), n in counts.items() if which == 0) < 240
    assert len({crop.tobytes() for crop in crops}) > 500


def test_some_crops_of_large_pictures_are_reduced_once_more() -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (33, 32, 3), dtype=np.uint8)
    crops = levels(CropSource([Collection("", 1.0, (picture,))], "cpu").crops(100, 16, generator))
    reduced = crops_of(halved(picture)) | crops_of(halved(picture[1:]))
    assert 10 < sum(crop.tobytes() in reduced for crop in crops) < 45


def test_the_same_generator_gives_the_same_crops() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    source = CropSource([Collection("", 1.0, (picture,))], "cpu")
    one, other = (source.crops(4, CROP_PX, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("size", [(16, 40), (40, 16)])
def test_a_picture_as_narrow_as_a_crop_will_do(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    source = CropSource([Collection("", 1.0, (picture,))], "cpu")
    crops = levels(source.crops(20, CROP_PX, np.random.default_rng(0)))
    known = crops_of(picture)
    assert all(crop.tobytes() in known for crop in crops)
