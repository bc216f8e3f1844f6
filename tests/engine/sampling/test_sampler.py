"""Both evaluators draw one picture, whatever the window, the order and the threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.evaluation.global_unet import GlobalConfig, GlobalDenoiser
from engine.network.checkpoint import Checkpoint
from engine.pictures.probe import Waves, windows_agree
from engine.pictures.super_resolution import Doubled, SuperResolved
from engine.sampling.lattice import Lattice
from engine.sampling.sampler import Sampler, channel_groups
from engine.sampling.schedule import Schedule
from engine.sampling.settings import Fusion, SamplerSettings
from engine.window import Window

SMALL_LATTICE = Lattice(48, 36)


def picture(
    checkpoint: Checkpoint,
    fusion: Fusion = Fusion.SDVC,
    lattice: Lattice = SMALL_LATTICE,
    steps: int = 3,
) -> SuperResolved:
    settings = SamplerSettings(Schedule(steps=steps), lattice, noise_seed=3, fusion=fusion)
    return SuperResolved(Waves(), 3, checkpoint, settings, zoom=18)


@pytest.mark.parametrize("threads", [1, 2])
def test_windows_of_any_shape_are_crops_of_one_picture_bit_for_bit(
    bundled: Checkpoint, threads: int
) -> None:
    drawn = picture(bundled)
    whole = Window(-200, 200, 220, 260)
    before = torch.get_num_threads()
    expected = drawn.read(whole)
    torch.set_num_threads(threads)
    try:
        generator = np.random.default_rng(threads)
        for _ in range(4):
            height, width = (int(v) for v in generator.integers(1, 200, 2))
            row = int(generator.integers(whole.row, whole.bottom - height))
            col = int(generator.integers(whole.col, whole.right - width))
            crop = Window(row, col, height, width)
            rows, cols = whole.slices(crop)
            assert np.array_equal(drawn.read(crop), expected[:, rows, cols]), crop
    finally:
        torch.set_num_threads(before)


def test_the_probe_finds_this_device_exact(bundled: Checkpoint) -> None:
    assert windows_agree(bundled, SamplerSettings())


@pytest.mark.parametrize("which", ["small", pytest.param("bundled", marks=pytest.mark.slow)])
def test_window_and_lattice_evaluation_agree(which: str, request: pytest.FixtureRequest) -> None:
    drawn = picture(request.getfixturevalue(which))
    window = Window(-30, 50, 70, 90)
    by_lattice = drawn.read_lattice(window, {})
    np.testing.assert_allclose(by_lattice, drawn.read(window), atol=1e-5, rtol=0)


def test_sdvc_equals_vcf_and_averaging_does_not(small: Checkpoint) -> None:
    window = Window(-30, 50, 70, 90)
    by_rule = {
        rule: picture(small, rule, steps=2).read_lattice(window, {})
        for rule in (Fusion.SDVC, Fusion.VCF, Fusion.AVERAGE)
    }
    np.testing.assert_allclose(by_rule[Fusion.VCF], by_rule[Fusion.SDVC], atol=1e-5, rtol=0)
    assert np.abs(by_rule[Fusion.AVERAGE] - by_rule[Fusion.SDVC]).max() > 1e-2


def test_forgetting_contributions_never_changes_a_pixel(small: Checkpoint) -> None:
    class Forgetful(dict):  # type: ignore[type-arg]  # whatever it holds
        def __setitem__(self, key: object, value: object) -> None:
            if hash(key) % 3:
                super().__setitem__(key, value)

    window = Window(0, 0, 40, 40)
    drawn = picture(small, steps=2)
    memo: dict = {}  # type: ignore[type-arg]  # whatever it holds
    kept = drawn.read_lattice(window, memo)
    assert memo
    assert np.array_equal(kept, drawn.read_lattice(window, Forgetful()))


def test_independent_patches_are_windows_with_noise_of_their_own(small: Checkpoint) -> None:
    lattice = Lattice(64, 64)
    drawn = picture(small, Fusion.INDEPENDENT, lattice)
    both = drawn.read(Window(0, 0, 128, 256))
    assert np.array_equal(both[:, :, 128:], drawn.read(Window(0, 128, 128, 128)))
    assert not np.array_equal(
        both, picture(small, Fusion.SDVC, lattice).read(Window(0, 0, 128, 256))
    )


def test_rules_without_a_window_evaluation_say_so(small: Checkpoint) -> None:
    with pytest.raises(ValueError, match="lattice"):
        picture(small, Fusion.VCF).read(Window(0, 0, 8, 8))


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, [[0, 0, 0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3, 3, 3]]), (2, [[0] * 3, [1] * 3])],
)
def test_channels_meet_the_denoiser_in_groups(channels: int, groups: list[list[int]]) -> None:
    assert [list(group) for group in channel_groups(channels, 3)] == groups


def test_a_denoiser_with_global_context_draws_one_picture_by_lattice_only() -> None:
    torch.manual_seed(0)
    network = GlobalDenoiser(GlobalConfig(width=8)).requires_grad_(False)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.2)
    settings = SamplerSettings(Schedule(steps=2), Lattice(32, 24))
    sampler = Sampler(network, settings, zoom=5)

    def condition(window: Window) -> torch.Tensor:
        return torch.from_numpy(Waves().read(window.children()))[None]

    whole, crop = Window(0, 0, 60, 60), Window(17, 20, 30, 21)
    rows, cols = whole.slices(crop)
    expected = sampler.lattice(whole, condition, {})[..., rows, cols]
    torch.testing.assert_close(sampler.lattice(crop, condition, {}), expected)
    with pytest.raises(ValueError, match="lattice"):
        sampler.window(whole, condition)
    pasted = Sampler(network, replace(settings, fusion=Fusion.INDEPENDENT), zoom=5)
    alone = pasted.lattice(whole, condition, {})
    torch.testing.assert_close(pasted.lattice(crop, condition, {}), alone[..., rows, cols])
    assert not torch.allclose(alone[..., rows, cols], expected, atol=1e-2)


class Grey:
    """Four bands of one wave."""

    def read(self, window: Window) -> np.ndarray:
        return np.repeat(Waves().read(window)[:1], 4, axis=0)


def test_four_bands_are_super_resolved_and_average_back(small: Checkpoint) -> None:
    drawn = SuperResolved(Doubled(Grey()), 4, small, SamplerSettings(), zoom=2)
    window = Window(0, 0, 64, 64)
    pixels = drawn.read(window)
    means = pixels.reshape(4, 32, 2, 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means, Grey().read(window.parent()), atol=1e-6)


def test_without_detail_a_window_is_encoded_with_the_encoders_halo_alone(
    bundled: Checkpoint,
) -> None:
    settings = SamplerSettings(Schedule(steps=3), SMALL_LATTICE, noise_seed=3, detail=0.0)
    drawn = SuperResolved(Waves(), 3, bundled, settings, zoom=18)
    assert drawn.sampler.halo_px == bundled.denoiser.encode_reach_px
    assert drawn.sampler.halo_px < picture(bundled).sampler.halo_px
    window = Window(-30, 50, 96, 128)
    whole = drawn.read(window)
    parts = [Window(-30, 50, 48, 64), Window(18, 114, 48, 64)]
    for part, pixels in zip(parts, drawn.read_many(parts), strict=True):
        rows, cols = window.slices(part)
        assert np.array_equal(pixels, whole[:, rows, cols])
    assert np.abs(drawn.read_lattice(window, {}) - whole).max() < 1e-5
