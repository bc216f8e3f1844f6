"""What commands set for the libraries that they load."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from tests.support.commands import call_overzoom
from tileserver.cli.environment import resume_garbage_collection

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


def test_garbage_is_collected_again_once_libraries_are_imported() -> None:
    before = gc.get_freeze_count()
    gc.disable()
    resume_garbage_collection()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before, "what has been imported is looked at no more"


def test_a_command_within_another_program_leaves_its_collection_alone() -> None:
    before = gc.get_freeze_count()
    assert call_overzoom("hash-key").exit_code == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() <= before  # what was frozen may be let go
