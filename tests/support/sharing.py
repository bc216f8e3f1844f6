"""One server for all processes that run tests: each starts it, or joins it where it runs."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.server import Server, Service
from tests.support.waiting import LIMIT_SECONDS, POLL_SECONDS


@contextmanager
def shared(folder: Path, start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Service]:
    """A server that ends when the last of the processes that share the folder has left it."""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        known = _read(folder)
        if known is None:
            starting = start()
            server = starting.__enter__()
            _write(folder, server.url, [os.getpid()])
        else:
            starting, (url, users) = None, known
            _write(folder, url, [*users, os.getpid()])
    if starting is None:
        try:
            with httpx.Client(base_url=url, timeout=LIMIT_SECONDS) as client:
                yield Service(url, client)
        finally:
            _leave(folder)
        return
    try:
        yield server
    finally:
        _leave(folder)
        while not _closed(folder):
            time.sleep(POLL_SECONDS)
        starting.__exit__(None, None, None)


def _leave(folder: Path) -> None:
    with _locked(folder):
        if (known := _read(folder)) is not None:
            url, users = known
            _write(folder, url, [user for user in users if user != os.getpid()])


def _closed(folder: Path) -> bool:
    """Whether nobody uses it any more; whoever comes later starts one of their own."""
    with _locked(folder):
        known = _read(folder)
        if known is not None and any(_lives(user) for user in known[1]):
            return False
        (folder / "server.json").unlink(missing_ok=True)
        return True


def _lives(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def _read(folder: Path) -> tuple[str, list[int]] | None:
    try:
        url, users = json.loads((folder / "server.json").read_text())
    except FileNotFoundError:
        return None
    return url, users


def _write(folder: Path, url: str, users: list[int]) -> None:
    (folder / "server.json").write_text(json.dumps([url, users]))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
