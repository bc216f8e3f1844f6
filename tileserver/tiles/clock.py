"""Where a tile's time went."""

from __future__ import annotations

import time


class Clock:
    """Milliseconds by stage, of all its laps."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Charge the time since the last lap to a stage."""
        now = time.perf_counter()
        self._add(stage, now - self._last)
        self._last = now

    def split(self, stage: str, other: str, seconds: float) -> None:
        """Charge so much of a stage's time to another."""
        self._add(other, seconds)
        self.milliseconds[stage] = max(0.0, self.milliseconds[stage] - seconds * 1000)

    def _add(self, stage: str, seconds: float) -> None:
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + seconds * 1000
