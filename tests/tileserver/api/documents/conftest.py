"""A server whose documents need a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.keys import hashed
from tileserver.app import make_app
from tileserver.settings.reading import read_settings


@pytest.fixture(scope="module")
def protected(demo: Path) -> Iterator[TestClient]:
    """Its sources need a key; a&b opens one of them."""
    access = {"keys": {"one": {"sha256": hashed("a&b"), "sources": ["truth"]}}}
    values = {"access": access, "cache": {"memory_bytes": 0, "disk_bytes": 0}}
    with TestClient(make_app(read_settings(demo / "overzoom.yaml", values))) as client:
        yield client
