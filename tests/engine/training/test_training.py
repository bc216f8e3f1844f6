"""Training on real pictures made small: it learns, stops and resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import TrainingError
from engine.evaluation.global_unet import KINDS, GlobalConfig
from engine.network.checkpoint import load_checkpoint, save_checkpoint
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.perceptual import Backbone
from engine.sampling.denoising import crop_to
from engine.training.degradation import degraded
from engine.training.growth import grow
from engine.training.imagery import Collection, prepared, random_crop
from engine.training.loop import train
from engine.training.loss import cell_pattern, phase_unevenness
from engine.training.settings import Stage, TrainingSettings
from tests.support.checkpoint import SIGMA_DATA, small_denoiser
from tileserver.lab.pictures import read_pictures

TRUTH = Path(__file__).parents[3] / "deploy" / "demo" / "yellowstone_10cm_truth.tif"
SETTINGS = TrainingSettings(
    network=NetworkConfig(width=16, encoder_blocks=1, denoiser_blocks=1),
    iterations=6,
    batch_size=2,
    crop_px=112,
    perceptual_weight=0.0,
    own_output_share=0.5,
    save_every_seconds=0.0,
)
TEXTURE = replace(SETTINGS, stage=Stage.TEXTURE)


@pytest.fixture(scope="module")
def collections() -> list[Collection]:
    ((_, picture),) = read_pictures(TRUTH)
    return [Collection("meadow", 1.0, (picture[:512, :512],))]


def test_a_run_that_was_stopped_goes_on_to_the_same_parameters(
    collections: list[Collection], tmp_path: Path
) -> None:
    through, halting = tmp_path / "through", tmp_path / "halting"
    reports = list(train(collections, TEXTURE, through, {}))
    assert [r.iteration for r in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[-1].samples is not None
    assert reports[-1].samples.shape == (3, 224, 336)
    for report in train(collections, TEXTURE, halting, {}):
        if report.iteration == 3:
            break
    assert [r.iteration for r in train(collections, TEXTURE, halting, {})] == [4, 5, 6]
    one, other = (load_checkpoint(run / "checkpoint.safetensors") for run in (through, halting))
    for name, value in one.denoiser.state_dict().items():
        torch.testing.assert_close(value, other.denoiser.state_dict()[name], atol=1e-5, rtol=1e-3)


def test_detail_at_the_borders_of_native_pixels_is_uneven() -> None:
    truth = torch.from_numpy(np.random.default_rng(0).random((2, 3, 64, 64), np.float32))
    blocks = truth[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert float(phase_unevenness(truth, truth, 4)) == 0.0
    half = float(phase_unevenness((truth + blocks) / 2, truth, 4))
    assert 0.01 < half < float(phase_unevenness(blocks, truth, 4))


def test_stage_deviation_learns_how_large_errors_are_and_leaves_the_picture(
    collections: list[Collection], tmp_path: Path
) -> None:
    initial = tmp_path / "initial.safetensors"
    save_checkpoint(initial, small_denoiser(), SIGMA_DATA, {})
    settings = replace(
        SETTINGS, stage=Stage.DEVIATION, initial=initial, own_output_share=0.0, iterations=30,
        learning_rate=1e-2, warmup_iterations=1, ema_halflife_iterations=2,
    )  # fmt: skip
    reports = list(train(collections, settings, tmp_path / "run", {}))
    losses = [report.picture for report in reports]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1
    before, after = (
        load_checkpoint(path).denoiser.state_dict()
        for path in (initial, tmp_path / "run" / "checkpoint.safetensors")
    )
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"deviations.weight", "deviations.bias"}


@pytest.mark.slow
def test_training_lowers_the_loss(collections: list[Collection], tmp_path: Path) -> None:
    settings = replace(
        SETTINGS,
        iterations=150,
        batch_size=4,
        own_output_share=0.0,
        warmup_iterations=5,
        save_every_seconds=1e9,
        learning_rate=5e-3,
    )
    one_crop = [Collection("crop", 1.0, (collections[0].pictures[0][:112, :112],))]
    losses = [r.mean for r in train(one_crop, settings, tmp_path, {})]
    assert np.mean(losses[-30:]) < 0.96 * np.mean(losses[:30])


def test_a_run_with_another_network_is_not_continued(
    collections: list[Collection], tmp_path: Path
) -> None:
    next(iter(train(collections, replace(SETTINGS, iterations=1), tmp_path, {})))
    other = replace(SETTINGS, network=NetworkConfig(width=24))
    with pytest.raises(TrainingError, match="another folder"):
        next(iter(train(collections, other, tmp_path, {})))


def test_pictures_too_small_for_a_crop_are_an_error() -> None:
    tiny = Collection("tiny", 1.0, (np.zeros((64, 64, 3), np.uint8),))
    with pytest.raises(TrainingError, match="at least 96 px"):
        prepared([tiny], 96)


def test_soft_pictures_are_reduced_until_they_carry_detail(collections: list[Collection]) -> None:
    (sharp,) = collections[0].pictures
    soft = sharp.repeat(2, axis=0).repeat(2, axis=1)
    (kept,) = prepared([Collection("soft", 1.0, (soft,))], 96)
    assert kept.pictures[0].shape == sharp.shape


def test_conditions_stay_near_their_truth_and_lose_its_detail(
    collections: list[Collection],
) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        truth = random_crop(collections, 96, generator)
        condition = degraded(torch.from_numpy(truth), generator).numpy()
        assert condition.shape == truth.shape
        assert np.abs(condition - truth).mean() < 0.12
        assert np.abs(np.diff(condition)).mean() < np.abs(np.diff(truth)).mean()


def test_a_network_grown_from_a_smaller_one_computes_the_same() -> None:
    torch.manual_seed(0)
    small = LocalDenoiser(NetworkConfig(width=16, encoder_blocks=1, denoiser_blocks=1))
    for value in small.parameters():
        torch.nn.init.normal_(value, std=0.1)
    large = LocalDenoiser(NetworkConfig(width=24, encoder_blocks=3, denoiser_blocks=2))
    grow(large, small)
    condition, state, sigma = torch.rand(2, 3, 80, 80), torch.randn(2, 45, 20, 20), torch.ones(2)
    one, other = small.encode(condition), large.encode(condition)
    torch.testing.assert_close(other.mean, crop_to(one.mean, *other.mean.shape[-2:]))
    clean = small.denoise(state, sigma, one.context)
    grown = large.denoise(state, sigma, other.context)
    torch.testing.assert_close(grown, crop_to(clean, *grown.shape[-2:]), atol=1e-4, rtol=1e-4)
    with pytest.raises(TrainingError, match="cannot grow"):
        grow(small, large)


def test_a_run_starts_from_the_checkpoint_that_it_is_given(
    collections: list[Collection], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    list(train(collections, replace(SETTINGS, iterations=2), first, {}))
    start = first / "checkpoint.safetensors"
    assert isinstance(SETTINGS.network, NetworkConfig)
    grown = replace(SETTINGS.network, encoder_blocks=2)
    settings = replace(SETTINGS, iterations=1, initial=start, network=grown, learning_rate=1e-9)
    list(train(collections, settings, second, {}))
    one, other = load_checkpoint(start), load_checkpoint(second / "checkpoint.safetensors")
    assert other.sigma_data == one.sigma_data
    assert other.card["training"]["initial"] == "checkpoint"
    assert other.card["initial"] == one.card
    stems = (each.denoiser.state_dict()["stem.weight"] for each in (other, one))
    torch.testing.assert_close(*stems, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "crop_px", "batches"), [("alex", 112, 60), ("vgg", 112, 30)])
def test_the_perceptual_term_lowers_the_distance_of_drawn_pictures(
    collections: list[Collection], tmp_path: Path, backbone: Backbone, crop_px: int, batches: int
) -> None:
    settings = replace(
        TEXTURE,
        iterations=batches,
        perceptual_weight=10.0,
        perceptual_share=1.0,
        judges=(backbone,),
        own_output_share=0.0,
        warmup_iterations=2,
        save_every_seconds=1e9,
        learning_rate=3e-3,
    )
    one_crop = [Collection("crop", 1.0, (collections[0].pictures[0][:crop_px, :crop_px],))]
    reports = list(train(one_crop, replace(settings, crop_px=crop_px), tmp_path, {}))
    distances = [r.perceptual for r in reports]
    assert np.mean(distances[-8:]) < 0.9 * np.mean(distances[:8])


def test_a_pattern_of_cells_is_told_from_noise() -> None:
    torch.manual_seed(0)
    truth = torch.rand(2, 3, 96, 96)
    noise = torch.randn(2, 3, 96, 96) * 0.05
    pattern = (torch.randn(4, 4) * 0.02).repeat(24, 24)
    clean, grid = (cell_pattern(truth + e, truth, 0.05) for e in (noise, noise + pattern))
    assert clean < 0.03
    assert grid > clean + 0.05


def test_a_denoiser_with_global_context_is_trained_by_the_same_loop(
    collections: list[Collection], tmp_path: Path
) -> None:
    settings = replace(
        TEXTURE,
        network=GlobalConfig(width=8),
        iterations=2,
        own_output_share=0.0,
        judges=("alex",),
        perceptual_weight=1.0,
    )
    reports = list(train(collections, settings, tmp_path, {}))
    assert all(np.isfinite(r.picture) and r.perceptual > 0 for r in reports)
    checkpoint = load_checkpoint(tmp_path / "checkpoint.safetensors", kinds=KINDS)
    assert not checkpoint.denoiser.local
