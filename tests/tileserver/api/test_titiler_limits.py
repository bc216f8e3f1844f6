"""Bodies of requests, behind the real edge: slow ones, endless ones, those that nobody reads."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from tests.support.edge import served
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.api import titiler_limits as limits
from tileserver.api.factory import make_router
from tileserver.api.source_route import SourceRoute
from tileserver.metrics import Metrics
from tileserver.middleware.error_handlers import add_error_handlers
from tileserver.middleware.guard import BODY_BYTES
from tileserver.middleware.stack import add_middleware
from tileserver.process import server as serving
from tileserver.settings.server import Settings

HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n"
COUNTED = b"Content-Length: 3\r\n\r\n[1"


@pytest.fixture
def requests() -> Counter[str]:
    """How many requests have begun, and how many have ended."""
    return Counter()


@pytest.fixture
def port(requests: Counter[str]) -> Iterator[int]:
    """A server with one route that takes a body."""
    app, router = FastAPI(), make_router(SourceRoute, limits=limits.Limits())
    add_middleware(app, Settings(), Metrics())
    add_error_handlers(app)

    @router.post("/shapes")
    async def shapes(request: Request) -> int:
        return len(await request.body())

    @router.get("/shapes")
    async def none() -> int:
        return 0

    app.include_router(router)

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        requests["begun"] += scope["type"] == "http"
        try:
            await app(scope, receive, send)
        finally:
            requests["ended"] += scope["type"] == "http"

    with served(counted) as port:
        yield port


@contextmanager
def asking(port: int, line: str, body: bytes = CHUNKED) -> Iterator[socket.socket]:
    """A connection on which a request has begun whose body has not ended."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS)) as client:
        client.sendall(line.encode() + b" HTTP/1.1\r\n" + HEAD + body)
        yield client


def read_answer(client: socket.socket) -> bytes:
    """A whole answer: its head, and the body of the length that the head names."""
    with client.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
        return head + stream.read(int(length))


@pytest.mark.parametrize(
    ("body", "end"),
    [(CHUNKED, b"1\r\n]\r\n0\r\n\r\n"), (COUNTED, b"]")],
    ids=["chunked", "counted"],
)
def test_a_slow_body_is_waited_for(port: int, body: bytes, end: bytes) -> None:
    with asking(port, "POST /shapes", body) as client:
        url = f"http://127.0.0.1:{port}/shapes"
        assert httpx.get(url, timeout=LIMIT_SECONDS).status_code == 200, "time goes by"
        client.sendall(end)
        assert b" 200 OK\r\n" in read_answer(client)


@pytest.mark.parametrize("body", [CHUNKED, COUNTED], ids=["chunked", "counted"])
def test_a_body_that_never_ends_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 1)
    with asking(port, "POST /shapes", body) as client:
        answer = read_answer(client)
        assert b" 408 Request Timeout\r\n" in answer
        assert b"took too long" in answer


@pytest.mark.parametrize(("line", "status"), [("POST /none", 404), ("GET /shapes", 200)])
def test_a_body_that_no_route_takes_is_not_waited_for(port: int, line: str, status: int) -> None:
    with asking(port, line) as client:
        assert f" {status} ".encode() in client.recv(4096)


def test_a_connection_whose_body_drips_on_after_the_answer_is_closed(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.5)
    with asking(port, "POST /none") as client:
        client.recv(4096)
        wait_until(lambda: not drip(client), "the server takes one part after another")


def drip(client: socket.socket) -> bool:
    """Whether a server takes one more part of a body: it has not hung up."""
    try:
        client.sendall(b"1\r\nx\r\n")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("body", [CHUNKED, COUNTED], ids=["chunked", "counted"])
def test_a_client_that_leaves_in_mid_body_is_no_fault(
    port: int, requests: Counter[str], caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    with asking(port, "POST /shapes", body):
        wait_until(lambda: requests["begun"] == 1)
    wait_until(lambda: requests["ended"] == 1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_body_of_unknown_length_is_bounded_where_it_is_read(port: int) -> None:
    part = b"10000\r\n" + b"1" * 2**16 + b"\r\n"
    with asking(port, "POST /shapes") as client:
        for _ in range(BODY_BYTES // 2**16):
            client.sendall(part)
        assert b" 413 " in client.recv(4096)
