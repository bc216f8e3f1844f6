"""Request heads that are too large or too slow, and forged client addresses."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing, suppress
from http.client import HTTPConnection
from threading import Event

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.edge import served
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.middleware.guard import PART_BYTES, Guard
from tileserver.process import server as serving
from tileserver.process.server import HEAD_BYTES, BoundedRequests, make_config
from tileserver.settings.server import Settings


def test_the_edge_is_the_one_that_is_tested() -> None:
    assert make_config(FastAPI(), Settings()).http is BoundedRequests


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ([], "1.2.3.4", "http 127.0.0.1"),
        (["10.9.9.9"], "1.2.3.4", "http 127.0.0.1"),
        (["127.0.0.1"], "1.2.3.4", "https 1.2.3.4"),
        (["127.0.0.0/8"], "6.6.6.6, 1.2.3.4", "https 1.2.3.4"),
        (["127.0.0.1", "5.5.5.5"], "1.2.3.4, 5.5.5.5", "https 1.2.3.4"),
    ],
)
def test_only_a_trusted_proxy_is_believed(trusted: list[str], forwarded: str, client: str) -> None:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    with served(access={"trusted_proxies": trusted}) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/client", headers=headers)
        assert answer.json() == client
        assert "server" not in answer.headers


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nA: "])
def test_a_head_without_end_is_cut_off(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 10 * LIMIT_SECONDS)  # for its size, not its time
    with (
        served() as port,
        socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as client,
        suppress(ConnectionError),  # it hangs up while there is more to come
    ):
        client.sendall(start + b"x" * 2 * HEAD_BYTES)
        while client.recv(4096):  # or says why before it does; else the time is up
            pass


def test_a_slow_head_is_waited_for_no_longer_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as port, closing(HTTPConnection("127.0.0.1", port)) as idle:
        assert status_of(idle) == 200
        monkeypatch.setattr(serving, "HEAD_SECONDS", 0.5)
        for start in (b"", b"GET /client HTTP/1.1\r\nHo"):
            address = ("127.0.0.1", port)
            with socket.create_connection(address, timeout=LIMIT_SECONDS) as client:
                client.sendall(start)
                assert client.recv(100) == b""
        assert status_of(idle) == 200, "an idle connection is no slow head"


def test_an_empty_line_keeps_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "KEEP_ALIVE_SECONDS", 10 * LIMIT_SECONDS)
    with served() as port, closing(HTTPConnection("127.0.0.1", port)) as idle:
        assert status_of(idle) == 200
        monkeypatch.setattr(serving, "HEAD_SECONDS", 0.1)
        idle.sock.settimeout(LIMIT_SECONDS)
        idle.sock.sendall(b"\r\n")
        assert idle.sock.recv(100) == b""


def test_the_next_head_waits_for_the_answer_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, late, gate, close_late = Event(), list[int](), Event(), BoundedRequests._close_late

    def count(connection: BoundedRequests) -> None:
        late.append(1)
        close_late(connection)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.set()
            await asyncio.to_thread(gate.wait, LIMIT_SECONDS)
            await PlainTextResponse("answered")(scope, receive, send)

    monkeypatch.setattr(BoundedRequests, "_close_late", count)
    with (
        served(app) as port,
        socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(LIMIT_SECONDS)
        monkeypatch.setattr(serving, "HEAD_SECONDS", 0.01)
        client.sendall(b"GET / HT")
        wait_until(lambda: len(late) > 1)
        gate.set()
        assert b"answered" in client.recv(4096)
        while client.recv(4096):  # until its time is up
            pass


def test_who_does_not_read_an_answer_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SEND_SECONDS", 0.1)
    ended, size = Event(), 1000 * PART_BYTES  # more than the sockets hold

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Response(bytes(size))(scope, receive, send)
            ended.set()

    with (
        served(Guard(app)) as port,
        socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended.wait(LIMIT_SECONDS)
        received = 0
        with suppress(ConnectionError):
            while part := client.recv(PART_BYTES):
                received += len(part)
        assert received < size


def status_of(connection: HTTPConnection) -> int:
    """The status of an answer on this very connection."""
    connection.auto_open = 0 if connection.sock else 1
    connection.request("GET", "/client")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def test_many_requests_on_one_connection_are_no_long_head() -> None:
    headers = {"X-Long": "x" * 20_000}
    with served() as port, httpx.Client(headers=headers) as client:
        for _ in range(10):
            assert client.get(f"http://127.0.0.1:{port}/client").status_code == 200
