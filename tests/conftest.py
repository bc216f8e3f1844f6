"""Shared by all tests: the demo scene, and keeping torch within the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "deploy" / "demo"


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo scene."""
    return DEMO
