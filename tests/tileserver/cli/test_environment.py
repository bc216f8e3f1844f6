"""What commands set for the libraries that they load."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOAD = """
from tileserver.cli.main import main
main(["hash-key"], standalone_mode=False)
import torch
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="GCC's OpenMP, which PyTorch brings there")
@pytest.mark.parametrize(("own", "rounds"), [(None, 0), ("active", 30_000_000_000)])
def test_threads_that_wait_sleep_unless_told_otherwise(own: str | None, rounds: int) -> None:
    environment = {**os.environ, "OMP_DISPLAY_ENV": "verbose"}  # the library says what it goes by
    environment.pop("OMP_WAIT_POLICY", None)
    if own is not None:
        environment["OMP_WAIT_POLICY"] = own
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=True
    )
    assert f"GOMP_SPINCOUNT = '{rounds}'" in done.stderr
