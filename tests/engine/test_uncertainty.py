from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from engine.checkpoint import Checkpoint
from engine.probe import Waves
from engine.pyramid import Pyramid
from engine.sampler import SamplerSettings
from engine.samples import Sample, Samples
from engine.schedule import Schedule
from engine.uncertainty import (
    COVERAGES,
    Calibration,
    coverage,
    deviation,
    fit_calibration,
)
from engine.window import Window

WINDOW = Window(-16, 32, 64, 96)
SEEDS = (7, 8, 9)
EVERY = tuple(Sample(seed, 1.0) for seed in SEEDS)


@pytest.fixture
def samples(small: Checkpoint) -> Samples:
    settings = SamplerSettings(Schedule(steps=2))

    def pyramid(sample: Sample) -> Pyramid:
        seeded = replace(settings, noise_seed=sample.noise_seed, detail=sample.detail)
        return Pyramid(Waves(), 3, 10, 12, small, seeded, lambda _zoom: {})

    return Samples(SEEDS, 1.0, pyramid)


def spread(samples: Samples, zoom: int, window: Window) -> np.ndarray:
    return deviation(picture.read(window) for picture in samples.pictures(zoom, EVERY))


@pytest.mark.parametrize("zoom", [11, 12])
def test_it_is_the_standard_deviation_of_the_samples(samples: Samples, zoom: int) -> None:
    pictures = [samples.pyramid(each).picture(zoom).read(WINDOW) for each in EVERY]
    found = spread(samples, zoom, WINDOW)
    assert found.mean() > 1e-4
    expected = np.stack(pictures).astype(np.float64).std(axis=0, ddof=1)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_samples_agree_about_what_is_native(samples: Samples) -> None:
    assert not spread(samples, 10, WINDOW).any()


@pytest.mark.parametrize("zoom", [11, 12])
def test_its_windows_are_crops_of_one_picture(samples: Samples, zoom: int) -> None:
    whole = spread(samples, zoom, WINDOW)
    for part in (Window(-16, 32, 64, 48), Window(-16, 80, 64, 48), Window(16, 64, 32, 32)):
        rows, cols = WINDOW.slices(part)
        assert np.array_equal(spread(samples, zoom, part), whole[:, rows, cols])


def test_one_sample_has_no_uncertainty() -> None:
    with pytest.raises(ValueError, match="two samples or more, not 1"):
        deviation([Waves().read(WINDOW)])


def test_a_pyramid_is_made_once_and_only_for_the_noise_seeds_there_are(
    samples: Samples,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(samples.pyramid, EVERY * 8))
    assert len(set(map(id, made))) == len(SEEDS)
    assert samples.pictures(11, EVERY[1:2]) == [samples.pyramid(EVERY[1]).picture(11)]
    with pytest.raises(ValueError, match="noise seed 6 is none of"):
        samples.pyramid(Sample(6, 1.0))
    with pytest.raises(ValueError, match=r"detail 0\.5 is neither 0 nor 1"):
        samples.sample(7, 0.5)


def test_without_detail_all_noise_seeds_are_one_picture(samples: Samples) -> None:
    assert {samples.sample(seed, 0.0) for seed in SEEDS} == {Sample(7, 0.0)}
    mean = samples.pyramid(samples.sample(9, 0.0)).picture(12).read(WINDOW)
    textured = samples.pyramid(samples.sample(9)).picture(12).read(WINDOW)
    assert not np.array_equal(mean, textured)


def test_a_calibration_finds_how_errors_follow_the_deviation() -> None:
    generator = np.random.default_rng(0)
    spread = generator.gamma(2.0, 0.02, 200_000)
    error = generator.standard_normal(spread.size) * np.sqrt((1.5 * spread) ** 2 + 0.01**2)
    found = fit_calibration(spread[::2], error[::2])
    assert found.factor == pytest.approx(1.5, rel=0.05)
    assert found.floor == pytest.approx(0.01, rel=0.1)
    assert found.quantiles == pytest.approx(Calibration().quantiles, rel=0.02)
    shares = coverage(found, spread[1::2], error[1::2])
    assert shares == pytest.approx(COVERAGES, abs=0.01)


def test_intervals_hold_also_where_errors_are_not_normal() -> None:
    generator = np.random.default_rng(1)
    spread = generator.gamma(2.0, 0.02, 200_000)
    error = generator.standard_t(3, spread.size) * spread
    found = fit_calibration(spread[::2], error[::2])
    assert coverage(found, spread[1::2], error[1::2]) == pytest.approx(COVERAGES, abs=0.01)
    assert coverage(Calibration(), spread, error) != pytest.approx(COVERAGES, abs=0.03)


def test_a_calibration_has_no_negative_numbers() -> None:
    with pytest.raises(ValueError, match="no negative numbers"):
        Calibration(factor=-1.0)
