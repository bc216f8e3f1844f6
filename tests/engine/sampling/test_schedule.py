from __future__ import annotations

from itertools import pairwise

import pytest

from engine.sampling.schedule import Schedule


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 2000])
def test_levels_fall_from_max_to_min_and_the_last_step_adds_no_noise(steps: int) -> None:
    schedule = Schedule(steps=steps)
    sigmas, table = schedule.sigmas(), schedule.table()
    assert sigmas[0] == pytest.approx(schedule.sigma_max)
    assert steps == 1 or sigmas[-1] == pytest.approx(schedule.sigma_min)
    assert all(a > b for a, b in pairwise(sigmas))
    assert table[-1].noise == 0
    assert table[-1].keep == 0


def test_a_perfect_denoiser_is_left_with_exactly_the_next_level() -> None:
    schedule = Schedule(steps=6)
    after = (*schedule.sigmas()[1:], 0.0)
    for step, level in zip(schedule.table(), after, strict=True):
        kept = step.keep * step.sigma  # what is left of the state's noise once x0 is known
        assert (kept**2 + step.noise**2) ** 0.5 == pytest.approx(level)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": 2001},
        {"sigma_min": 0},
        {"sigma_max": 0.1},
        {"sigma_min": 6},
        {"rho": 0},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Schedule(**wrong)  # type: ignore[arg-type]  # wrong on purpose
