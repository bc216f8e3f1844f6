"""What a worker tells its supervisor, and that it goes on telling."""

from __future__ import annotations

from multiprocessing import Pipe

import pytest

from tests.support.waiting import LIMIT_SECONDS
from tileserver.metrics import Metrics
from tileserver.process.health import Health
from tileserver.process.reporter import Reporter
from tileserver.process.reports import Others, Report
from tileserver.totals import Snapshot


class Faulty(Metrics):
    """Metrics whose first snapshot fails, as where a gauge reads what changes meanwhile."""

    failures = 1

    def snapshot(self) -> Snapshot:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("mutated during iteration")
        return super().snapshot()


def test_a_report_that_fails_is_logged_and_the_next_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, there = Pipe()
    health = Health([], lambda: None, hang_seconds=1)  # type: ignore[arg-type]  # a catalogue without sources
    reporter = Reporter(there, Faulty(), health)
    reporter.exchange()
    assert "no report to the supervisor could be made" in caplog.text
    here.send(Others(Snapshot(), ("it hangs",)))
    reporter.exchange()
    assert here.poll(LIMIT_SECONDS)
    assert isinstance(here.recv(), Report)
    assert health.others == ("it hangs",)
