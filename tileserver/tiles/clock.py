"""Where a tile's time went."""

from __future__ import annotations

import time


class Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Charge the time since the last lap to a stage."""
        now = time.perf_counter()
        self.milliseconds[stage] = (now - self._last) * 1000
        self._last = now

    def split(self, stage: str, other: str, seconds: float) -> None:
        """Charge so much of a stage's time to another."""
        self.milliseconds[other] = seconds * 1000
        self.milliseconds[stage] = max(0.0, self.milliseconds[stage] - seconds * 1000)
