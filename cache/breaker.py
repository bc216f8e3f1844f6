"""A service that fails is left alone for some seconds: it costs one timeout, not one a request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

logger = logging.getLogger(__name__)

REST_SECONDS = 3.0
"""Short enough that a service is in use again soon after it came back."""

Value = TypeVar("Value")


class Breaker:
    """Guards calls to one service; safe from any thread. Says so once when the service goes away,
    and once when it is back."""

    def __init__(
        self, name: str, errors: tuple[type[Exception], ...], rest_seconds: float = REST_SECONDS
    ) -> None:
        """errors: what the service raises where it is not well; anything else is not caught."""
        self.name, self.errors, self.rest_seconds = name, errors, rest_seconds
        self.failures = 0
        """Calls that failed; the ones that were spared are not counted."""
        self._resting_until: float | None = None
        self._lock = Lock()

    @property
    def resting(self) -> bool:
        """Whether the last call failed."""
        return self._resting_until is not None

    def allows(self) -> bool:
        """Whether to call the service now; after a rest one caller tries, the others wait for it.

        Who calls must tell the outcome by `succeeded` or `failed`.
        """
        with self._lock:
            if self._resting_until is None:
                return True
            now = time.monotonic()
            if now < self._resting_until:
                return False
            self._resting_until = now + self.rest_seconds
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            news = self._resting_until is None
            self._resting_until = time.monotonic() + self.rest_seconds
        if news:
            logger.warning("%s: not in use until it answers again: %s", self.name, brief(error))

    def succeeded(self) -> None:
        if self._resting_until is None:
            return
        with self._lock:
            if self._resting_until is None:  # another thread has said so
                return
            self._resting_until = None
        logger.warning("%s: in use again", self.name)

    def call(self, work: Callable[[], Value], default: Value) -> Value:
        """What work gives; default where the service rests or fails."""
        if not self.allows():
            return default
        try:
            value = work()
        except self.errors as error:
            self.failed(error)
            return default
        self.succeeded()
        return value


def brief(error: BaseException) -> str:
    """The first line of an error, without what a URL in it may carry behind its `?`."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: " + re.sub(r"[?]\S*", "?...", first)
