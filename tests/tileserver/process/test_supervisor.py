"""The process that starts workers, and starts again those that die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest

from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.process.supervisor import (
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    Supervisor,
    _Slot,
)


@contextmanager
def supervised(folder: Path, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.support.workers", str(workers), str(folder)]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


def started(folder: Path) -> list[tuple[int, bool]]:
    """The workers that started: the numbers of their processes, and who was told to be first."""
    log = folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(line.split()[0]), line.endswith("True")) for line in lines]


def ask(folder: Path) -> int:
    """The worker that answers a new connection; 0 if it was killed meanwhile."""
    address = ("127.0.0.1", int((folder / "port").read_text()))
    with socket.create_connection(address, timeout=LIMIT_SECONDS) as client:
        return int(client.recv(100) or 0)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_is_replaced_while_the_other_answers(tmp_path: Path) -> None:
    with supervised(tmp_path, 2) as process:
        wait_until(lambda: len(started(tmp_path)) == 2)
        (one, _), (other, _) = started(tmp_path)
        wait_until(lambda: ask(tmp_path) == other)
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: ask(tmp_path) == other, "the port stays open")
        wait_until(lambda: len(started(tmp_path)) == 3)
        third = started(tmp_path)[2][0]
        wait_until(lambda: ask(tmp_path) == third)
        assert [first for _, first in started(tmp_path)] == [True, False, False]
        process.terminate()
        assert process.wait(LIMIT_SECONDS) == 0
        assert not is_running(other)
        assert not is_running(third)
        with pytest.raises(ConnectionRefusedError):
            ask(tmp_path)


def test_a_server_whose_first_worker_cannot_start_ends(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    with supervised(tmp_path, 2) as process:
        assert process.wait(LIMIT_SECONDS) == 1
    assert len(started(tmp_path)) == 1
    assert "cannot start: its first worker ended with status 3" in (tmp_path / "errors").read_text()


def test_a_worker_that_keeps_dying_is_started_again_more_and_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("tileserver.process.supervisor.time.monotonic", lambda: now)
    slot = _Slot(1)
    pauses = []
    for _ in range(12):
        slot.started = now
        now += 1
        pauses.append(slot.plan_start())
        assert slot.due == now + pauses[-1]
    assert pauses[:5] == [0, 0.5, 1, 2, 4]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    slot.started, now = now, now + STEADY_SECONDS
    assert slot.plan_start() == 0
    assert _Slot(2).due == inf, "the first worker starts alone"


def test_a_server_that_stops_does_not_look_for_workers_to_start() -> None:
    supervisor = Supervisor(2, lambda *_: None, [])
    supervisor._slots[1].due = 0.0
    assert supervisor._pause_seconds() == 0
    supervisor._stop()
    assert supervisor._pause_seconds() is None, "it waits for those that run to end"
