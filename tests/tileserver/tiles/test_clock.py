"""Where a tile's time went: stages that it passes more than once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tileserver.tiles import clock
from tileserver.tiles.clock import Clock


def test_the_laps_and_splits_of_a_stage_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a tile that is drawn from two windows: its source crosses 180 degrees."""
    times = iter([0.0, 0.050, 0.080, 0.090, 0.130])
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=times.__next__))
    timing = Clock()
    for drawn_seconds in (0.020, 0.015):
        timing.lap("read")
        timing.lap("queue")
        timing.split("queue", "engine", drawn_seconds)
    assert timing.milliseconds == pytest.approx({"read": 60, "queue": 35, "engine": 35})
