from __future__ import annotations

import pytest
import torch

from engine.network.doubling import REACH_PX, doubled, doubled_whole
from engine.network.projection import from_bands, into_range, pool, project, to_bands, up

GENERATOR = torch.Generator().manual_seed(0)
IMAGE = torch.rand(2, 3, 16, 24, generator=GENERATOR)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Each test draws the same numbers, whichever ran before it."""
    GENERATOR.manual_seed(0)


def test_parent_and_bands_are_the_image() -> None:
    again = from_bands(pool(IMAGE), to_bands(IMAGE))
    torch.testing.assert_close(again, IMAGE, atol=1e-6, rtol=0)


def test_bands_are_orthonormal() -> None:
    energy = (to_bands(IMAGE) ** 2).sum() + ((2 * pool(IMAGE)) ** 2).sum()
    torch.testing.assert_close(energy, (IMAGE**2).sum())


def test_any_bands_average_back_to_the_parent() -> None:
    parent = torch.rand(3, 8, 12, generator=GENERATOR)
    bands = torch.randn(9, 8, 12, generator=GENERATOR)
    torch.testing.assert_close(pool(from_bands(parent, bands)), parent, atol=5e-7, rtol=0)


def test_projection_moves_an_image_onto_its_parent_and_no_further() -> None:
    parent = pool(torch.rand(2, 3, 16, 24, generator=GENERATOR))
    projected = project(IMAGE, parent)
    torch.testing.assert_close(pool(projected), parent, atol=5e-7, rtol=0)
    torch.testing.assert_close(to_bands(projected), to_bands(IMAGE), atol=1e-6, rtol=0)


def test_bringing_into_range_keeps_the_means() -> None:
    parent = torch.rand(3, 8, 12, generator=GENERATOR)
    wild = from_bands(parent, torch.randn(9, 8, 12, generator=GENERATOR))
    tamed = into_range(wild, parent)
    assert tamed.min() >= -1e-6
    assert tamed.max() <= 1 + 1e-6
    torch.testing.assert_close(pool(tamed), parent, atol=5e-7, rtol=0)


def test_an_image_in_range_is_left_as_it_is() -> None:
    torch.testing.assert_close(into_range(IMAGE, pool(IMAGE)), IMAGE, atol=1e-6, rtol=0)


def test_doubling_is_consistent_and_reproduces_a_slope() -> None:
    parent = torch.rand(3, 12, 14, generator=GENERATOR)
    twice = doubled(parent)
    inner = parent[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    assert twice.shape == (3, 16, 20)
    torch.testing.assert_close(pool(twice), inner, atol=5e-7, rtol=0)
    slope = torch.arange(12.0)[None, :, None].expand(1, 12, 12)
    expected = torch.arange(16.0) / 2 + REACH_PX - 0.25
    torch.testing.assert_close(doubled(slope)[0, :, 3], expected)
    assert doubled_whole(parent[None]).shape == (1, 3, 24, 28)


def test_up_repeats_every_pixel() -> None:
    assert torch.equal(up(torch.tensor([[1.0, 2.0]])), torch.tensor([[1.0, 1, 2, 2]] * 2))
