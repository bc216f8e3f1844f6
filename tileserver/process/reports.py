"""What a worker and its supervisor tell each other: metrics and readiness of all workers.

A worker sends a report at once and then periodically (reporter); each is answered with what the
supervisor knows of the others. Whoever is gone is noticed by the end of the connection.
"""

from __future__ import annotations

from dataclasses import dataclass

from tileserver.totals import Snapshot


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's state."""

    snapshot: Snapshot
    problem: str | None
    """Why it is not ready; None if it is."""


@dataclass(frozen=True, slots=True)
class Others:
    """The state of all other workers of a server."""

    snapshot: Snapshot
    problems: tuple[str | None, ...]
