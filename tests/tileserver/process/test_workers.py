"""`overzoom serve --workers 2`: real processes on one port, without Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from morecantile import Tile

from tests.support.metrics import Samples, read_metrics
from tests.support.server import Server, running
from tests.support.tiles import block, path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until

NATIVE = 19
MADE = ("overzoom_computed_tiles_total", "super-resolved")
MiddleTile = Callable[[int], Tile]


def children(process: int) -> set[int]:
    """The workers of a supervisor: its children that have a report to make."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()}


def sockets_of(process: int) -> set[str]:
    """The inodes of a process's sockets."""
    links = []
    for handle in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(handle))
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def accepted_by(client: HTTPConnection, workers: set[int]) -> int:
    """The worker at the other end of a connection."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ports == [client.port, client.sock.getsockname()[1]]:
            return next(worker for worker in workers if fields[9] in sockets_of(worker))
    raise AssertionError("no such connection")


def connect(url: str) -> HTTPConnection:
    """A connection that a worker has accepted."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    client = HTTPConnection(parts.hostname, parts.port, timeout=LIMIT_SECONDS)
    client.request("GET", "/healthz")
    client.getresponse().read()
    return client


def connect_to_each(
    url: str, workers: set[int], least: int, clients: ExitStack
) -> dict[HTTPConnection, int]:
    """Connections with the worker that each belongs to: so many a worker, at least."""
    owners: dict[HTTPConnection, int] = {}

    def enough() -> bool:
        client = clients.enter_context(closing(connect(url)))
        owners[client] = accepted_by(client, workers)
        return all(list(owners.values()).count(worker) >= least for worker in workers)

    wait_until(enough, "one worker accepts no connection")
    return owners


def metrics_once(server: Server, condition: Callable[[Samples], object]) -> Samples:
    """The metrics of all workers, once they have reported what is waited for."""
    seen: list[Samples] = []

    def reported() -> object:
        seen.append(read_metrics(server.client))
        return condition(seen[-1])

    wait_until(reported, "not reported")
    return seen[-1]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes connections at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def two_workers(patient: Path, tmp_path: Path) -> Iterator[Server]:
    arguments = ("--config", patient, "--workers", "2", "--threads", "2")
    with running(*arguments, cache=tmp_path / "cache") as server:
        wait_until(lambda: len(children(server.process.pid)) == 2)
        metrics_once(server, lambda seen: seen["overzoom_workers",] == 2)
        yield server


@pytest.mark.slow
def test_two_workers_make_each_tile_once_and_show_the_metrics_of_both(
    two_workers: Server, middle_tile: MiddleTile, opened: ExitStack
) -> None:
    url, workers = two_workers.url, children(two_workers.process.pid)
    assert "libtorch" not in Path(f"/proc/{two_workers.process.pid}/maps").read_text()
    paths = [path_of(tile) for tile in block(middle_tile(NATIVE + 2), 2)]
    clients = connect_to_each(url, workers, len(paths), opened)

    def ask(client: HTTPConnection, path: str) -> tuple[str, int, bytes]:
        client.request("GET", path)
        answer = client.getresponse()
        return path, answer.status, answer.read()

    asked = []
    for worker in workers:
        own = [client for client, owner in clients.items() if owner == worker]
        asked += list(zip(own, paths, strict=False))
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: ask(*one), asked))
    assert {status for _, status, _ in answers} == {200}
    assert len(answers) == 2 * len(paths)
    assert len({(path, content) for path, _, content in answers}) == len(paths)
    kind = ("overzoom_requests_total", "super-resolved", "200")
    seen = metrics_once(two_workers, lambda seen: seen.get(kind) == len(answers))
    assert seen[MADE] == len(paths), "one computation a tile"
    assert seen["overzoom_workers",] == 2
    assert seen["overzoom_service_away", "lease files"] == 0
    assert two_workers.log.read_text().count("open http://") == 1, "the URL is printed once"
    assert ", 2 workers, 1 thread each" in two_workers.log.read_text()


@pytest.mark.slow
def test_a_killed_worker_loses_its_own_requests_and_no_other(
    two_workers: Server, middle_tile: MiddleTile, opened: ExitStack
) -> None:
    url, supervisor = two_workers.url, two_workers.process.pid
    workers = children(supervisor)
    killed = min(workers)
    clients = connect_to_each(url, workers, 3, opened)
    middle = middle_tile(NATIVE + 3)
    os.kill(killed, signal.SIGSTOP)  # it answers none of them before it is killed
    for number, client in enumerate(clients):
        tile = Tile(middle.x + number % 8, middle.y + number // 8, middle.z)
        client.request("GET", path_of(tile))
    os.kill(killed, signal.SIGKILL)
    new = [httpx.get(url + path_of(middle), timeout=LIMIT_SECONDS).status_code for _ in range(5)]
    statuses: dict[int, set[object]] = {worker: set() for worker in workers}
    for client, owner in clients.items():
        try:
            statuses[owner].add(client.getresponse().status)
        except OSError as error:
            statuses[owner].add(type(error))
    assert new == [200] * 5, "who connects afterwards is answered"
    assert statuses[max(workers)] == {200}, "no request of the other is lost"
    assert 200 not in statuses[killed], "its own are lost"
    wait_until(lambda: len(children(supervisor) - {killed}) == 2, "another takes its place")
    (third,) = children(supervisor) - workers
    connect_to_each(url, children(supervisor), 1, opened)
    seen = metrics_once(two_workers, lambda seen: seen["overzoom_workers",] == 2)
    assert seen[MADE] >= len(clients) - list(clients.values()).count(killed)
    assert f"(process {killed}) ended by signal 9" in two_workers.log.read_text()

    two_workers.process.kill()
    wait_until(lambda: not Path(f"/proc/{third}").exists(), "workers end with their supervisor")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/healthz")
