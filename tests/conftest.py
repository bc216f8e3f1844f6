"""Loads the fixtures of all tests, where tests run: who only hands them out needs none of it."""

from __future__ import annotations

import gc
import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Spare the process that distributes tests to others seconds of imports."""
    distributes = getattr(config.option, "numprocesses", None)
    if "PYTEST_XDIST_WORKER" in os.environ or not distributes:
        gc.disable()  # until all tests are imported (pytest_collection_finish)
        config.pluginmanager.import_plugin("tests.support.fixtures")
