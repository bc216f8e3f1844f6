"""Two zooms from one state average back to their parent, whatever the bands are."""

from __future__ import annotations

import pytest
import torch

from engine.network.doubling import REACH_PX, doubled
from engine.network.pair import (
    SigmaData,
    base_bands,
    deeper_picture,
    to_deviation_units,
    to_pixel_units,
    upper_picture,
)
from engine.network.projection import merge_corners, pool, split_corners, to_pair_bands
from tests.support.checkpoint import small_denoiser

GENERATOR = torch.Generator().manual_seed(5)
CONDITION = torch.rand(3, 24, 32, generator=GENERATOR) * 0.4 + 0.3


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Each test draws the same numbers, whichever ran before it."""
    GENERATOR.manual_seed(5)


INNER = CONDITION[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
SIGMA_DATA = SigmaData(0.05, 0.02)


@pytest.mark.parametrize("strength", [0.0, 0.02, 2.0])
def test_both_zooms_average_to_the_one_above(strength: float) -> None:
    bands = torch.randn(45, 10, 14, generator=GENERATOR) * strength
    upper, deeper = upper_picture(CONDITION, bands), deeper_picture(CONDITION, bands)
    assert upper.shape == (3, 20, 28)
    assert deeper.shape == (3, 40, 56)
    torch.testing.assert_close(pool(deeper), upper, atol=2e-6, rtol=0)
    torch.testing.assert_close(pool(upper), pool(INNER), atol=2e-6, rtol=0)
    assert -1e-6 <= float(deeper.min()) <= float(deeper.max()) <= 1 + 1e-6


def test_without_bands_the_pictures_are_the_condition_and_its_doubling() -> None:
    nothing = torch.zeros(45, 10, 14)
    torch.testing.assert_close(upper_picture(CONDITION, nothing), INNER, atol=1e-6, rtol=0)
    again = deeper_picture(CONDITION, nothing)
    torch.testing.assert_close(again, doubled(CONDITION), atol=2e-6, rtol=0)


def test_the_residual_of_a_truth_to_its_base_gives_the_truth() -> None:
    truth = torch.rand(3, 40, 56, generator=GENERATOR) * 0.2 + 0.4
    condition = CONDITION.clone()
    condition[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX] = pool(truth)
    residual = to_pair_bands(truth) - base_bands(condition)
    torch.testing.assert_close(deeper_picture(condition, residual), truth, atol=2e-6, rtol=0)


def test_corners_and_units_have_inverses() -> None:
    torch.testing.assert_close(merge_corners(split_corners(CONDITION)), CONDITION)
    bands = torch.randn(45, 4, 5, generator=GENERATOR)
    torch.testing.assert_close(
        to_deviation_units(to_pixel_units(bands, SIGMA_DATA), SIGMA_DATA), bands
    )
    assert float(to_pixel_units(bands, SIGMA_DATA)[:9].std()) > float(
        to_pixel_units(bands, SIGMA_DATA)[9:].std()
    )


def test_one_noise_level_for_a_batch_is_the_same_as_one_for_each() -> None:
    denoiser = small_denoiser()
    condition = torch.rand(2, 3, 40, 40, generator=GENERATOR)
    context = denoiser.encode(condition).context
    state = torch.randn(2, 45, *context.shape[-2:], generator=GENERATOR)
    together = denoiser.denoise(state, torch.full((1,), 0.7), context)
    apart = denoiser.denoise(state, torch.full((2,), 0.7), context)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
