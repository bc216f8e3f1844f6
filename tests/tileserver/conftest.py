"""Sources that are watched."""

from __future__ import annotations

import pytest

from tests.support.polls import Polls


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    """The polls of the catalogues that a test opens."""
    return Polls(monkeypatch)
