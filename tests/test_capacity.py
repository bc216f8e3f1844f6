"""The simulation behind `make capacity`: what it conserves, and what it must not depend on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.benchmarks.capacity.cores import Cores, Events, Line
from tests.benchmarks.capacity.load import Costs, Load, Outcome, pans
from tests.benchmarks.capacity.simulation import Simulation

COSTS = Costs(
    draw_seconds=0.05,
    tile_seconds=0.1,
    read_seconds=0.01,
    encode_seconds=0.0,
    hit_seconds=0.001,
    redis_seconds=0.00005,
    cores=4,
    threads=1,
)


def simulate(viewers: int, replicas: int, **values: float) -> Outcome:
    return Simulation(COSTS, Load(viewers, replicas, seconds=30, **values)).run()  # type: ignore[arg-type]  # values of several types


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
    assert outcome.bottleneck.startswith("Redis")
    assert outcome.busy["Redis"] > 0.95


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert simulate(50, 2) == simulate(50, 2)


def test_threads_share_cores_alike() -> None:
    events, ends = Events(), dict[str, float]()
    cores = Cores(events, 2.0, until=10.0)
    cores.start(1.0, 2, lambda: ends.setdefault("both", events.now))
    cores.start(1.0, 1, lambda: ends.setdefault("one", events.now))
    events.later(3.0, lambda: cores.start(1.0, 1, lambda: ends.setdefault("alone", events.now)))
    events.run()
    assert ends == {"both": pytest.approx(1.5), "one": pytest.approx(1.5), "alone": 4.0}
    assert cores.busy_seconds == pytest.approx(4.0)


def test_a_line_drops_in_its_turn_what_is_given_up() -> None:
    events, ends = Events(), list[float]()
    line = Line(Cores(events, 1.0, until=1.5))
    for _ in range(4):
        line.serve(1.0, lambda: ends.append(events.now), lambda: len(ends) == 1)
    events.run()
    assert ends == [1.0]
    assert line.busy_seconds == 1.0


def test_what_shares_the_cores_slows_drawing() -> None:
    costs, load = replace(COSTS, cores=2, threads=2), Load(100, 1, 0.0, seconds=30)
    alone = Simulation(costs, load).run().tiles_per_second
    halved = Simulation(replace(costs, cores=1), load).run().tiles_per_second
    assert halved == pytest.approx(alone / 2, rel=0.15)
    outcome = Simulation(replace(costs, encode_seconds=0.1), load).run()
    # Of a tile 115 ms are drawn or read, 100 encoded.
    assert 0.5 * alone < outcome.tiles_per_second < 0.75 * alone
    assert outcome.bottleneck == "cores 100%"


def test_viewers_pan_at_the_same_moments_whoever_they_ask() -> None:
    load = Load(10, 1, seconds=600)
    first = list(pans(load))
    assert first == list(pans(load)) != list(pans(load, seed=1))
    assert len(first) == pytest.approx(600 * 10 / 4, rel=0.1)
    assert sum(pan.cached for pan in first) == pytest.approx(0.9 * len(first), rel=0.05)
