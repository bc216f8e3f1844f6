"""Sources that are watched: how often they were polled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.waiting import wait_until
from tileserver.catalogue.watch import Tracked


class Polls:
    """The polls of all sources that have ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended = 0
        poll = Tracked.poll

        def count(tracked: Tracked[Any]) -> None:
            poll(tracked)
            self.ended += 1

        monkeypatch.setattr(Tracked, "poll", count)

    def wait_for(self, more: int) -> None:
        """Return once so many polls have begun and ended from now on."""
        enough = self.ended + more + 1  # one may have begun before
        wait_until(lambda: self.ended >= enough)
