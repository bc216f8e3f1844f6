"""The measures that no network is trained on, on pictures whose faults are known."""

from __future__ import annotations

import subprocess
import sys
from math import isnan

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import EvaluationError
from engine.evaluation import judges
from engine.evaluation.judges import MIN_PX, judge
from engine.evaluation.phases import phase_evenness
from engine.evaluation.spectrum import log_spectrum_error_db, radial_power
from engine.network.projection import pool, up

SIDE = 128


@pytest.fixture(scope="module")
def truth() -> Tensor:
    """Noise at several sizes, (3, SIDE, SIDE): like ground, it has detail at every frequency."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.full((3, SIDE, SIDE), 0.5)
    for side in (8, 16, 32, 64, 128):
        noise = torch.randn((1, 3, side, side), generator=generator)
        picture += 0.05 * F.interpolate(noise, (SIDE, SIDE), mode="bilinear")[0]
    return picture.clamp(0, 1)


def blurred(picture: Tensor, side: int = 5) -> Tensor:
    return F.avg_pool2d(picture[None], side, 1, side // 2, count_include_pad=False)[0]


def test_equal_pictures_are_judged_equal(truth: Tensor) -> None:
    equal = judge(truth, truth)
    assert (equal.haarpsi, equal.fsim, equal.vifp) == pytest.approx((1, 1, 1), abs=1e-3)
    assert equal.mdsi == pytest.approx(0, abs=1e-3)


def test_every_judge_minds_blur_and_minds_more_of_it_more(truth: Tensor) -> None:
    found = [judge(picture, truth) for picture in (truth, blurred(truth, 3), blurred(truth, 7))]
    for measure in ("haarpsi", "fsim", "vifp"):
        best, worse, worst = (getattr(one, measure) for one in found)
        assert best > worse + 0.02 > worst + 0.04
    assert found[0].mdsi < found[1].mdsi - 0.02 < found[2].mdsi - 0.04


def test_every_judge_minds_noise(truth: Tensor) -> None:
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    found, equal = judge((truth + 0.1 * noise).clamp(0, 1), truth), judge(truth, truth)
    assert found.haarpsi < equal.haarpsi - 0.1
    assert found.fsim < equal.fsim - 0.05
    assert found.vifp < equal.vifp - 0.1
    assert found.mdsi > equal.mdsi + 0.1


def test_pictures_too_small_for_the_judges_have_no_judgement(truth: Tensor) -> None:
    small = truth[:, : MIN_PX - 1]
    assert all(isnan(value) for value in judge(small, small))


def test_a_missing_package_is_named(truth: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    judges._measures.cache_clear()
    monkeypatch.setattr(judges, "find_spec", lambda _name: None)
    with pytest.raises(EvaluationError, match="pip install --no-deps piq"):
        judge(truth, truth)


@pytest.mark.slow
def test_the_judges_need_no_torchvision() -> None:
    code = "import torch; from engine.evaluation.judges import judge\n"
    code += "judge(*torch.rand(2, 3, 64, 64)); import sys; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_log_spectrum_minds_blur_and_noise_alike(truth: Tensor) -> None:
    assert log_spectrum_error_db(truth, truth) == 0
    assert log_spectrum_error_db(blurred(truth), truth) > 3
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    assert log_spectrum_error_db(truth + 0.1 * noise, truth) > 3
    # Power ten times as large everywhere is 10 dB, at whatever place of the scene.
    louder = (truth - truth.mean()) * 10**0.5
    assert log_spectrum_error_db(louder, truth) == pytest.approx(10, abs=0.01)


def test_small_pictures_have_as_many_rings_as_frequencies(truth: Tensor) -> None:
    assert radial_power(truth).shape == (32,)
    assert radial_power(truth[:, :24, :48]).shape == (12,)
    assert torch.isfinite(radial_power(truth[:, :24, :48])).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_noise_is_even_in_phase_and_blocks_are_not(factor: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noise, other = torch.rand((2, 3, 256, 256), generator=generator)
    assert phase_evenness(noise, other, factor) == pytest.approx(1, abs=0.03)
    assert phase_evenness(noise * 0.1, other, factor) == pytest.approx(1, abs=0.03)
    blocks = noise
    for _ in range(factor.bit_length() - 1):
        blocks = pool(blocks)
    while blocks.shape[-1] < 256:
        blocks = up(blocks)
    assert phase_evenness(blocks, other, factor) > 100
    assert phase_evenness(blurred(other) + blocks, other, factor) > 1.5


def test_the_gradient_between_native_pixels_has_the_last_phase() -> None:
    truth = torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(0))
    steps = torch.ones(64)
    steps[4::4] = 3  # the step into pixel 4, 8, ... crosses a border
    ramp = steps.cumsum(0)
    picture = (ramp[:, None] + ramp).expand(3, 64, 64) / 100
    even = (torch.arange(64.0)[:, None] + torch.arange(64.0)).expand(3, 64, 64) / 100
    assert phase_evenness(picture, even, 4) == pytest.approx(3, rel=1e-3)
    assert phase_evenness(truth, truth, 4) == 1


def test_against_a_truth_without_gradients_nothing_is_even_or_uneven() -> None:
    assert isnan(phase_evenness(torch.rand(3, 64, 64), torch.zeros(3, 64, 64), 4))
