"""One server for all processes that run tests: each starts it, or joins it where it runs."""

from __future__ import annotations

import faulthandler
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx

from tests.support.server import Server, Service
from tests.support.waiting import LIMIT_SECONDS, POLL_SECONDS


@contextmanager
def shared(folder: Path, start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Service]:
    """A server that ends when the last of the processes that share the folder has left it.

    Each holds a shared lock on the file `users`, which the kernel releases where one is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "address"
    with (folder / "users").open("w") as users:
        with _locked(folder):
            fcntl.flock(users, fcntl.LOCK_SH)
            starting = None if address.exists() else start()
            if starting is not None:
                server = starting.__enter__()
                address.write_text(server.url)
        if starting is None:
            with httpx.Client(base_url=address.read_text(), timeout=LIMIT_SECONDS) as client:
                yield Service(str(client.base_url), client)
            return
        try:
            yield server
        finally:
            faulthandler.cancel_dump_traceback_later()  # pytest's own: others may take long
            while not _closed(folder, users):
                time.sleep(POLL_SECONDS)
            starting.__exit__(None, None, None)


def _closed(folder: Path, users: IO[str]) -> bool:
    """Whether nobody else uses it any more; whoever comes later starts one of their own."""
    with _locked(folder), suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / "address").unlink()
        return True
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
