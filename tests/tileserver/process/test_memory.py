"""The number of arenas of the C library's allocator."""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from tileserver.process.memory import bound_arenas
from tileserver.cli.main import main
{before}
barrier = threading.Barrier(9)
def work():
    kept = [bytes(50_000) for _ in range(100)]
    barrier.wait()
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
barrier.wait()
"""
COMMAND = "main(['hash-key'], standalone_mode=False)"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("before", "arenas"), [("", 9), ("bound_arenas()", 2), (COMMAND, 2)])
def test_threads_share_two_arenas_once_a_command_runs(before: str, arenas: int) -> None:
    code = THREADS.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("<heap nr=") == arenas
