"""The command line: called in this process, and where that is the point as a process of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from click.testing import CliRunner, Result

from tileserver.cli.main import main


def call_overzoom(*arguments: object) -> Result:
    """`overzoom` with these arguments, in this process: seconds of imports less.

    Its environment, its handlers of log lines, its number of threads and its timers do not stay.
    """
    with patch.dict(os.environ), _keeping_logging(), _keeping_threads(), _cancelling_timers():
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def command_of(*arguments: object) -> list[str]:
    """The words of such a call."""
    return [sys.executable, "-m", "tileserver.cli", *map(str, arguments)]


@contextmanager
def _keeping_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _keeping_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _cancelling_timers() -> Iterator[None]:
    """A server's timer ends the process where its shutdown hangs, which is this one."""
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()
