from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.evaluation.global_unet import GlobalConfig, GlobalDenoiser
from engine.network.calibration import COVERAGES, Calibration, coverage, fit_calibration
from engine.network.checkpoint import Checkpoint
from engine.network.local import LEAST_DEVIATION, LocalDenoiser
from engine.pictures.deviation import error_pictures
from engine.pictures.probe import Waves
from engine.pictures.pyramid import Pyramid
from engine.pictures.samples import Sample, Samples
from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from engine.window import Window

WINDOW = Window(-16, 32, 64, 96)
SEEDS = (7, 8, 9)
EVERY = tuple(Sample(seed, 1.0) for seed in SEEDS)


def pyramid_of(checkpoint: Checkpoint, noise_seed: int = 0, detail: float = 1.0) -> Pyramid:
    settings = SamplerSettings(Schedule(steps=2), noise_seed=noise_seed, detail=detail)
    return Pyramid(Waves(), 3, 10, 14, checkpoint, settings, lambda _name: {})


@pytest.fixture
def samples(small: Checkpoint) -> Samples:
    def pyramid(sample: Sample) -> Pyramid:
        return pyramid_of(small, noise_seed=sample.noise_seed, detail=sample.detail)

    return Samples(SEEDS, 1.0, pyramid)


@pytest.mark.parametrize("zoom", [11, 12, 13, 14])
def test_windows_of_the_uncertainty_are_crops_of_one_picture(small: Checkpoint, zoom: int) -> None:
    whole = pyramid_of(small).uncertainty(zoom).read(WINDOW)
    assert whole.dtype == np.float32
    assert whole.min() >= LEAST_DEVIATION * min(small.sigma_data)
    assert whole.std() > 1e-3
    for part in (Window(-16, 32, 64, 48), Window(-16, 80, 64, 48), Window(16, 64, 32, 32)):
        rows, cols = WINDOW.slices(part)
        found = pyramid_of(small).uncertainty(zoom).read(part)
        assert np.array_equal(found, whole[:, rows, cols])


def test_both_zooms_are_as_the_network_predicts_them(small: Checkpoint) -> None:
    state, denoiser = Window(3, 5, 64, 64), small.denoiser
    assert isinstance(denoiser, LocalDenoiser)
    outer = state.dilated(denoiser.encode_reach_px)
    condition = torch.from_numpy(Waves().read(outer.children(2)))[None]
    predicted = error_pictures(denoiser.deviation(condition))
    pyramid = pyramid_of(small)
    for depth in (1, 2):
        expected = predicted[depth - 1][0].numpy() * small.sigma_data[depth - 1]
        found = pyramid.uncertainty(10 + depth).read(state.children(2**depth))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_deeper_zooms_are_less_sure_than_what_they_start_from(small: Checkpoint) -> None:
    pyramid, window = pyramid_of(small), Window(0, 0, 64, 64)
    above = pyramid.uncertainty(12).read(window).repeat(2, 1).repeat(2, 2)
    assert (pyramid.uncertainty(13).read(window.children()) > above).all()


def test_it_is_scaled_by_the_zooms_calibration(small: Checkpoint) -> None:
    calibrated = replace(small, calibrations=(Calibration(2.0, 0.0), Calibration(3.0, 0.5)))
    for zoom, factor, floor in ((11, 2.0, 0.0), (12, 3.0, 0.5)):
        plain = pyramid_of(small).uncertainty(zoom).read(WINDOW)
        found = pyramid_of(calibrated).uncertainty(zoom).read(WINDOW)
        np.testing.assert_allclose(found, np.hypot(factor * plain, floor), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_bands_has_one_of_its_own(small: Checkpoint, channels: int) -> None:
    class Bands(Waves):
        def read(self, window: Window) -> np.ndarray:
            return super().read(window)[[0, 1, 2, 0]][:channels]

    settings = SamplerSettings(Schedule(steps=2))
    pyramid = Pyramid(Bands(), channels, 10, 12, small, settings, lambda _name: {})
    assert pyramid.uncertainty(12).read(WINDOW).shape == (channels, 64, 96)


def test_what_is_native_and_networks_without_one_have_none(small: Checkpoint) -> None:
    with pytest.raises(ValueError, match="zoom 10 is outside"):
        pyramid_of(small).uncertainty(10)
    wide = replace(small, denoiser=GlobalDenoiser(GlobalConfig(width=8)))
    with pytest.raises(ValueError, match="zoom 11 is outside"):
        pyramid_of(wide).uncertainty(11)


def test_a_pyramid_is_made_once_and_only_for_the_noise_seeds_there_are(
    samples: Samples,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(samples.pyramid, EVERY * 8))
    assert len(set(map(id, made))) == len(SEEDS)
    with pytest.raises(ValueError, match="noise seed must be one of"):
        samples.pyramid(Sample(6, 1.0))
    with pytest.raises(ValueError, match=r"detail must be 0 or 1"):
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
    with pytest.raises(ValueError, match="must not be negative"):
        Calibration(factor=-1.0)
