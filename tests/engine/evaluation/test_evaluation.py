"""Scores must mean what they claim: each distinguishes pictures with known faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.evaluation.correctness import correctness
from engine.evaluation.reliability import reliability
from engine.evaluation.scores import score, ssim
from engine.evaluation.seams import seam_ratio, variance_ratio
from engine.evaluation.segmentation import intersection_over_union, train_segmenter
from engine.evaluation.spectrum import grid_db, radial_power
from engine.evaluation.upsampling import interpolate, resample, super_resolve
from engine.imagery import Pixels
from engine.network.checkpoint import load_checkpoint
from engine.network.projection import pool
from engine.perceptual import PerceptualDistance
from engine.sampling.settings import SamplerSettings
from tileserver.checkpoints import COMPACT
from tileserver.lab.pictures import read_pictures

TRUTH = Path(__file__).parents[3] / "deploy" / "demo" / "yellowstone_10cm_truth.tif"
MAX_GRID_DB = 6
"""Interpolation has -2 on this ground, a grid that was plain to see on meadows 16."""


@pytest.fixture(scope="module")
def truth() -> Pixels:
    ((_, levels),) = read_pictures(TRUTH)
    return levels[600:856, 900:1156].transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def low(truth: Pixels) -> Pixels:
    means: Pixels = pool(torch.from_numpy(truth)).numpy()
    return means


@pytest.mark.slow
def test_the_truth_scores_best_in_everything(truth: Pixels, low: Pixels) -> None:
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}
    plain = resample(low, 1, Image.Resampling.BICUBIC)
    best = score(truth, low, truth, plain, metrics)
    assert best.psnr_db > 100
    assert best.ssim == pytest.approx(1)
    assert best.perceptual_alex == pytest.approx(0, abs=1e-6)
    assert best.perceptual_vgg == pytest.approx(0, abs=1e-6)
    assert best.haarpsi == pytest.approx(1, abs=1e-3)
    assert best.mdsi == pytest.approx(0, abs=1e-3)
    assert best.log_spectrum_error_db == 0
    assert best.phase_evenness == 1
    assert best.drift_levels < 0.2
    assert best.improvement == 1
    worse = score(plain, low, truth, plain, metrics)
    assert worse.psnr_db < 40
    assert worse.perceptual_alex > 0.01
    assert worse.haarpsi < 0.99
    assert worse.mdsi > 0.1
    assert worse.log_spectrum_error_db > 3
    assert worse.phase_evenness > 1.2
    assert worse.drift_levels > 0.5
    assert worse.omission == 1


def test_consistent_interpolation_does_not_drift_where_the_plain_one_does(
    truth: Pixels, low: Pixels
) -> None:
    plain = resample(low, 1, Image.Resampling.BICUBIC)
    consistent = score(interpolate(low), low, truth, plain, {})
    assert consistent.drift_levels < 0.2
    assert consistent.spectral_angle_degrees < 0.2
    tinted = np.clip(interpolate(low) * np.array([1.2, 1, 0.9], np.float32)[:, None, None], 0, 1)
    assert score(tinted, low, truth, plain, {}).spectral_angle_degrees > 3


@pytest.mark.parametrize(("rows", "cols"), [(0, 0), (4, -2), (-6, 8)])
def test_a_shifted_picture_is_measured_as_shifted(
    truth: Pixels, low: Pixels, rows: int, cols: int
) -> None:
    moved = np.roll(truth, (rows, cols), axis=(1, 2))
    plain = resample(low, 1, Image.Resampling.BICUBIC)
    found = score(moved, low, truth, plain, {}).shift_px
    assert found == pytest.approx(np.hypot(rows / 2, cols / 2), abs=0.1)


def test_invented_detail_is_hallucination(truth: Pixels, low: Pixels) -> None:
    plain = resample(low, 1, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 0.2, truth.shape).astype(np.float32)
    pictures = (torch.from_numpy(p) for p in (plain + noise, plain, truth))
    improvement, omission, hallucination = correctness(*pictures)
    assert hallucination > 0.9
    assert improvement + omission + hallucination == pytest.approx(1)


def test_similarity_and_power_fall_with_blur(truth: Pixels) -> None:
    true = torch.from_numpy(truth)
    blurred = torch.nn.functional.avg_pool2d(true[None], 5, stride=1, padding=2)[0]
    assert ssim(blurred, true) < 0.95
    ratio = radial_power(blurred) / radial_power(true)
    assert ratio[0] > 0.5
    assert ratio[-1] < 0.1


def test_a_grid_is_seen_that_no_distance_minds(truth: Pixels) -> None:
    generator = np.random.default_rng(0)
    error = torch.from_numpy(generator.normal(0, 0.03, truth.shape).astype(np.float32))
    assert abs(grid_db(error)) < 4
    pattern = torch.from_numpy(generator.normal(0, 2 / 255, (1, 4, 4)).astype(np.float32))
    assert grid_db(error + pattern.repeat(3, 64, 64)) > 12


def test_the_bundled_checkpoint_draws_no_grid(truth: Pixels) -> None:
    low: Pixels = pool(pool(torch.from_numpy(truth))).numpy()
    drawn = super_resolve(low, load_checkpoint(COMPACT), SamplerSettings(), zooms=2)
    assert grid_db(torch.from_numpy(drawn - truth)) < MAX_GRID_DB


def test_a_seam_is_seen_and_a_scene_is_not(truth: Pixels) -> None:
    # The scene's own steepness at those lines is divided out.
    own = seam_ratio(truth, [128], [128])
    tiles = truth.copy()
    tiles[:, :128, :128] += 0.1
    assert seam_ratio(tiles, [128], [128]) / own > 1.2
    assert seam_ratio(truth + 0.1, [128], [128]) / own == pytest.approx(1, abs=1e-3)


def test_averaged_overlaps_have_less_variance() -> None:
    detail = np.random.default_rng(0).normal(0, 1, (3, 128, 128)).astype(np.float32)
    overlaps = np.zeros((128, 128), bool)
    overlaps[48:80] = True
    assert variance_ratio(detail, overlaps) == pytest.approx(1, abs=0.05)
    detail[:, overlaps] *= 0.7
    assert variance_ratio(detail, overlaps) == pytest.approx(0.49, abs=0.03)


def test_a_deviation_that_knows_the_error_is_told_from_one_that_does_not() -> None:
    generator = np.random.default_rng(0)
    deviation = np.kron(generator.uniform(0.01, 0.2, (32, 32)), np.ones((8, 8))).astype(np.float32)
    error = np.abs(generator.normal(0, 1, deviation.shape).astype(np.float32)) * deviation
    knowing = reliability(deviation, error)
    assert knowing.rank_correlation > 0.9
    for sure, wrong in zip(knowing.deviation_levels, knowing.error_levels, strict=True):
        assert wrong == pytest.approx(sure, rel=0.15)
    assert abs(reliability(deviation, generator.permuted(error)).rank_correlation) < 0.2


@pytest.mark.slow
def test_a_segmenter_finds_what_it_was_shown() -> None:
    generator = np.random.default_rng(0)
    picture = generator.uniform(0.2, 0.4, (3, 256, 256)).astype(np.float32)
    buildings = np.zeros((256, 256), bool)
    for row, col in generator.integers(0, 230, (24, 2)):
        buildings[row : row + 20, col : col + 24] = True
    picture[:, buildings] += np.float32(0.3)
    network = train_segmenter(picture, buildings, iterations=12)
    assert intersection_over_union(network, picture, buildings) > 0.6
    assert intersection_over_union(network, picture, ~buildings) < 0.4
