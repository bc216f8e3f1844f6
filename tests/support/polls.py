"""Sources that are watched: how often they were polled."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Any

import pytest

from tests.support.waiting import wait_until
from tileserver.catalogue.watch import Tracked


class Polls:
    """The polls of each source that have ended, by its id."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended, lock = Counter[str](), Lock()
        poll = Tracked.poll

        def count(tracked: Tracked[Any]) -> None:
            poll(tracked)
            with lock:
                self.ended[tracked.name] += 1

        monkeypatch.setattr(Tracked, "poll", count)

    def wait_for(self, more: int, source: str = "scene") -> None:
        """Return once so many polls of a source have begun and ended from now on."""
        enough = self.ended[source] + more + 1  # one may have begun before
        wait_until(lambda: self.ended[source] >= enough)
