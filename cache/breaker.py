"""A circuit breaker: a failing service costs one timeout, not one a request.

Closed, calls go through. A failure opens it: calls are skipped for some seconds, then one caller
tries again. A success closes it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

logger = logging.getLogger(__name__)

OPEN_SECONDS = 3.0
"""Short enough that a service is used again soon after it recovers."""

Value = TypeVar("Value")


class Breaker:
    """Guards calls to one service; thread-safe. Logs once when it opens and once when it closes."""

    def __init__(
        self, name: str, errors: tuple[type[Exception], ...], open_seconds: float = OPEN_SECONDS
    ) -> None:
        """errors: the exceptions that count as a failure; any other is not caught."""
        self.name, self.errors, self.open_seconds = name, errors, open_seconds
        self.failures = 0
        """Calls that failed; skipped ones are not counted."""
        self._open_until: float | None = None
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        """Whether calls are skipped: the last one failed."""
        return self._open_until is not None

    def allows(self) -> bool:
        """Whether to call the service now. When the open time is over, one caller may try.

        The caller must report the outcome by `record_success` or `record_failure`, or `withdraw`.
        """
        with self._lock:
            if self._open_until is None:
                return True
            now = time.monotonic()
            if now < self._open_until:
                return False
            self._open_until = now + self.open_seconds
            return True

    def record_failure(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            opens = self._open_until is None
            self._open_until = time.monotonic() + self.open_seconds
        if opens:
            logger.warning("%s: circuit breaker open: %s", self.name, summarise_error(error))

    def record_success(self) -> None:
        if self._open_until is None:
            return
        with self._lock:
            if self._open_until is None:  # another thread has closed it
                return
            self._open_until = None
        logger.warning("%s: circuit breaker closed", self.name)

    def withdraw(self) -> None:
        """Report no outcome of a call that `allows` has allowed: the next caller may try."""
        with self._lock:
            if self._open_until is not None:
                self._open_until = time.monotonic()

    def call(self, work: Callable[[], Value], default: Value) -> Value:
        """The result of work; default if the breaker is open or the call fails."""
        if not self.allows():
            return default
        try:
            value = work()
        except self.errors as error:
            self.record_failure(error)
            return default
        self.record_success()
        return value


def summarise_error(error: BaseException) -> str:
    """The first line of an error; query strings of URLs, which may hold secrets, are cut."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: " + re.sub(r"[?]\S*", "?...", first)
