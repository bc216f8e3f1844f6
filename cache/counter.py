"""A thread-safe counter."""

from __future__ import annotations

from threading import Lock


class Counter:
    """Starts at 0; no increment is lost."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = Lock()

    def add(self, number: int = 1) -> None:
        with self._lock:
            self.value += number
