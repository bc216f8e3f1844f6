"""Training on real pictures made small: it learns, stops and resumes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import TrainingError
from engine.evaluation.global_unet import KINDS, GlobalConfig
from engine.network.checkpoint import load_checkpoint, save_checkpoint
from engine.network.doubling import doubled_whole
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.network.projection import pool
from engine.perceptual import Backbone
from engine.sampling.denoising import crop_to
from engine.training.batches import Batches
from engine.training.crops import CropSource
from engine.training.degradation import degraded
from engine.training.growth import grow
from engine.training.imagery import Collection, prepared
from engine.training.loop import train
from engine.training.loss import Pair, cell_pattern, phase_unevenness
from engine.training.prefetch import prefetch
from engine.training.settings import Stage, TrainingSettings
from tests.support.checkpoint import SIGMA_DATA, small_denoiser
from tests.support.span import span_parameters
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


def stop_and_resume(
    collections: list[Collection], settings: TrainingSettings, run: Path
) -> list[int]:
    """Stop a run after three batches; the batches after it was resumed."""
    for report in train(collections, settings, run, {}):
        if report.iteration == 3:
            break
    return [report.iteration for report in train(collections, settings, run, {})]


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_same_parameters(
    collections: list[Collection], tmp_path: Path
) -> None:
    through, halting = tmp_path / "through", tmp_path / "halting"
    reports = list(train(collections, TEXTURE, through, {}))
    assert [r.iteration for r in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[-1].samples is not None
    assert reports[-1].samples.shape == (3, 224, 336)
    assert stop_and_resume(collections, TEXTURE, halting) == [4, 5, 6]
    one, other = (load_checkpoint(run / "checkpoint.safetensors") for run in (through, halting))
    for name, value in one.denoiser.state_dict().items():
        torch.testing.assert_close(value, other.denoiser.state_dict()[name], atol=1e-5, rtol=1e-3)


def test_detail_at_the_borders_of_native_pixels_is_uneven() -> None:
    truth = torch.from_numpy(np.random.default_rng(0).random((2, 3, 64, 64), np.float32))
    blocks = truth[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert float(phase_unevenness(truth, truth, 4)) == 0.0
    half = float(phase_unevenness((truth + blocks) / 2, truth, 4))
    assert 0.01 < half < float(phase_unevenness(blocks, truth, 4))


@pytest.mark.slow
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
    truth = CropSource(collections, "cpu").crops(40, 96, generator)
    conditions = degraded(truth, generator)
    assert conditions.shape == truth.shape
    assert bool(((conditions - truth).abs().mean(dim=(1, 2, 3)) < 0.12).all())
    ours, true = (image.diff(dim=-1).abs().mean(dim=(1, 2, 3)) for image in (conditions, truth))
    assert bool((ours < true).all())


def test_conditions_are_of_all_kinds() -> None:
    truth = torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    conditions = degraded(truth, np.random.default_rng(0))
    whole = doubled_whole((pool(truth) * 255).round() / 255)
    plain = (conditions - whole).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert 0.45 < float(plain.float().mean()) < 0.65  # doubled, not aliased, noisy or JPEG-coded


def test_targets_of_the_last_crops_are_the_teachers_picture(
    collections: list[Collection], tmp_path: Path
) -> None:
    torch.save(span_parameters(), tmp_path / "span_x4.pth")
    settings = replace(SETTINGS, teacher=tmp_path / "span_x4.pth", teacher_share=0.5, batch_size=8)
    pair = Batches(collections, settings).pair(3)
    assert pair.target.shape == (8, 3, 112, 112)
    assert pair.condition.shape == (8, 3, 56, 56)
    whole = (pool(pair.condition) - pool(pool(pair.target))).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert whole[-1]
    assert 2 <= int(whole.sum()) < 8


def test_prefetched_batches_come_in_their_order() -> None:
    seen: list[int] = []

    def prepare(number: int) -> Pair:
        seen.append(number)
        return Pair(torch.full((1,), float(number)), torch.zeros(1))

    with closing(prefetch(prepare, 5, "cpu")) as batches:
        values = [float(next(batches).condition) for _ in range(4)]
    assert values == [5.0, 6.0, 7.0, 8.0]
    assert seen == sorted(seen)


def test_an_error_of_a_prefetched_batch_reaches_the_loop() -> None:
    def prepare(number: int) -> Pair:
        raise TrainingError(f"batch {number}")

    with (
        closing(prefetch(prepare, 0, "cpu")) as batches,
        pytest.raises(TrainingError, match="batch 0"),
    ):
        next(batches)


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
        batch_size=1,
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


@pytest.mark.slow
def test_a_run_with_a_discriminator_that_was_stopped_resumes_with_it(
    collections: list[Collection], tmp_path: Path
) -> None:
    settings = replace(TEXTURE, perceptual_weight=1.0, judges=("alex",), adversary_share=0.3)
    through, halting = tmp_path / "through", tmp_path / "halting"
    list(train(collections, settings, through, {}))
    stop_and_resume(collections, settings, halting)
    one, other = (
        torch.load(run / "state.pt", weights_only=True)["adversary"] for run in (through, halting)
    )
    assert one["batches"] == other["batches"] == 3, "every second batch is drawn in full detail"
    assert one["weight"] == pytest.approx(other["weight"], rel=1e-2)
    for name, value in one["discriminator"].items():
        torch.testing.assert_close(value, other["discriminator"][name], atol=1e-4, rtol=1e-3)
    alone = tmp_path / "alone"
    next(iter(train(collections, replace(settings, adversary_share=0.0), alone, {})))
    with pytest.raises(TrainingError, match="another folder"):
        next(iter(train(collections, settings, alone, {})))


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
