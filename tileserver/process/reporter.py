"""Sends a worker's reports to its supervisor."""

from __future__ import annotations

import logging
import os
import signal
from multiprocessing.connection import Connection
from threading import Thread

from tileserver.metrics import Metrics
from tileserver.process.health import Health
from tileserver.process.reports import Others, Report

logger = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
"""Between reports: a scrape shows counts up to twice as old. Each takes some milliseconds."""


class Reporter(Thread):
    """In a worker: sends reports, and shuts the worker down where the supervisor is gone."""

    def __init__(self, connection: Connection, metrics: Metrics, health: Health) -> None:
        super().__init__(name="reporter", daemon=True)
        self.connection, self.metrics, self.health = connection, metrics, health

    def run(self) -> None:
        try:
            self.exchange()
            while not self.connection.poll(REPORT_SECONDS):  # nothing comes unasked but the end
                self.exchange()
        except (EOFError, OSError):
            pass
        logger.error("the supervisor has ended: shutting down")
        os.kill(os.getpid(), signal.SIGTERM)

    def exchange(self) -> None:
        """Send a report and take the answer; raises EOFError or OSError."""
        try:
            report = Report(self.metrics.snapshot(), self.health.problem)
        except Exception:  # outermost handler of this thread: the next report tries again
            logger.exception("no report to the supervisor could be made")
            return
        self.connection.send(report)
        others: Others = self.connection.recv()
        self.metrics.share(report.snapshot, others.snapshot)
        self.health.others = others.problems
