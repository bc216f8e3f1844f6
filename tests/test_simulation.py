"""The simulation behind `make capacity`: what it conserves, and what it must not depend on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.benchmarks.simulation import Costs, Load, Outcome, Simulation

COSTS = Costs(
    draw_seconds=0.05,
    tile_seconds=0.1,
    read_seconds=0.01,
    hit_seconds=0.001,
    redis_seconds=0.00005,
)


def simulate(viewers: int, replicas: int, **values: float) -> Outcome:
    return Simulation(COSTS, Load(viewers, replicas, seconds=30, **values)).run()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("viewers", "replicas"), [(1, 1), (10, 1), (100, 1), (400, 3), (600, 2), (20_000, 1000)]
)
@pytest.mark.parametrize("hit_ratio", [0.0, 0.9])
def test_every_request_is_answered_or_refused(
    viewers: int, replicas: int, hit_ratio: float
) -> None:
    outcome = simulate(viewers, replicas, hit_ratio=hit_ratio)
    assert outcome.arrived > 0
    assert outcome.arrived == outcome.answered + outcome.refused
    assert len(outcome.waits) == outcome.answered
    assert max(outcome.waits) <= 20


def test_more_replicas_never_lower_throughput() -> None:
    outcomes = [simulate(300, replicas) for replicas in (1, 2, 4, 8, 32)]
    for fewer, more in pairwise(outcomes):
        assert more.tiles_per_second >= 0.97 * fewer.tiles_per_second, "3 % is chance"
        assert more.refused_share <= fewer.refused_share + 0.03
    assert outcomes[0].refused_share > 0.05
    assert outcomes[-1].refused_share == 0


def test_few_viewers_get_all_that_they_ask_for_at_the_speed_of_a_drawing() -> None:
    outcome = simulate(2, 1, hit_ratio=0.0)
    assert outcome.refused == 0
    # The first tile of a view is drawn alone; the other five are no rectangle: two windows more.
    assert outcome.wait(0.05) == pytest.approx(0.15, abs=0.02)
    assert outcome.wait(0.75) == pytest.approx(3 * 0.05 + 6 * 0.1, abs=0.1)
    assert simulate(2, 1, hit_ratio=1.0).wait(0.5) < 0.01


def test_a_queue_of_cold_tiles_draws_no_more_than_its_device_can() -> None:
    outcome = simulate(100, 1, hit_ratio=0.0)
    most = 1 / (COSTS.tile_seconds + COSTS.draw_seconds / 16)
    least = 1 / (COSTS.tile_seconds + COSTS.draw_seconds)
    assert least < outcome.tiles_per_second < 1.05 * most
    assert outcome.bottleneck == "device 100%"


def test_one_redis_is_what_many_replicas_wait_for() -> None:
    costs = replace(COSTS, redis_seconds=0.0005)
    outcome = Simulation(costs, Load(40_000, 1000, hit_ratio=0.9, seconds=30)).run()
    assert outcome.bottleneck in {"Redis 99%", "Redis 100%"}


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert simulate(50, 2) == simulate(50, 2)
