"""Bodies of requests, behind the real edge: slow ones, endless ones, those that nobody reads."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from fastapi import APIRouter, FastAPI, Request

from tests.tileserver.operation.test_serving import served
from tileserver import limits
from tileserver.errors import add_error_handlers
from tileserver.limits import LimitedRoute
from tileserver.operation import serving
from tileserver.operation.guard import BODY_BYTES
from tileserver.operation.metrics import Metrics
from tileserver.operation.middleware import add_middleware
from tileserver.settings import Settings

HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n"
COUNTED = b"Content-Length: 3\r\n\r\n[1"


@pytest.fixture
def port() -> Iterator[int]:
    """A server with one route that takes a body."""
    app, router = FastAPI(), APIRouter(route_class=LimitedRoute)
    add_middleware(app, Settings(), Metrics())
    add_error_handlers(app)

    @router.post("/shapes")
    async def shapes(request: Request) -> int:
        return len(await request.body())

    @router.get("/shapes")
    async def none() -> int:
        return 0

    app.include_router(router)
    with served(app) as port:
        yield port


@contextmanager
def asking(port: int, line: str, body: bytes = CHUNKED) -> Iterator[socket.socket]:
    """A connection on which a request has begun whose body has not ended."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        client.sendall(line.encode() + b" HTTP/1.1\r\n" + HEAD + body)
        yield client


@pytest.mark.parametrize(
    ("body", "end"),
    [(CHUNKED, b"1\r\n]\r\n0\r\n\r\n"), (COUNTED, b"]")],
    ids=["chunked", "counted"],
)
def test_a_slow_body_is_waited_for(port: int, body: bytes, end: bytes) -> None:
    with asking(port, "POST /shapes", body) as client:
        time.sleep(0.5)
        client.sendall(end)
        assert b" 200 OK\r\n" in client.recv(4096)


@pytest.mark.parametrize("body", [CHUNKED, COUNTED], ids=["chunked", "counted"])
def test_a_body_that_never_ends_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 1)
    with asking(port, "POST /shapes", body) as client:
        began = time.monotonic()
        answer = client.recv(4096)
        assert b" 408 Request Timeout\r\n" in answer
        assert b"took too long" in answer
        assert 0.2 < time.monotonic() - began < 20


@pytest.mark.parametrize(("line", "status"), [("POST /none", 404), ("GET /shapes", 200)])
def test_a_body_that_no_route_takes_is_not_waited_for(port: int, line: str, status: int) -> None:
    with asking(port, line) as client:
        client.settimeout(20)
        assert f" {status} ".encode() in client.recv(4096)


def test_a_connection_whose_body_drips_on_after_the_answer_is_closed(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.5)
    with asking(port, "POST /none") as client:
        client.recv(4096)
        assert dripped(client, 100) < 50


def dripped(client: socket.socket, chunks: int) -> int:
    """How many chunks a server takes, twenty a second, before it hangs up."""
    for sent in range(chunks):
        try:
            client.sendall(b"1\r\nx\r\n")
        except OSError:
            return sent
        time.sleep(0.05)
    return chunks


@pytest.mark.parametrize("body", [CHUNKED, COUNTED], ids=["chunked", "counted"])
def test_a_client_that_leaves_in_mid_body_is_no_fault(
    port: int, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    with asking(port, "POST /shapes", body):
        time.sleep(0.2)
    time.sleep(0.5)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_body_of_unknown_length_is_bounded_where_it_is_read(port: int) -> None:
    part = b"10000\r\n" + b"1" * 2**16 + b"\r\n"
    with asking(port, "POST /shapes") as client:
        for _ in range(BODY_BYTES // 2**16):
            client.sendall(part)
        assert b" 413 " in client.recv(4096)
