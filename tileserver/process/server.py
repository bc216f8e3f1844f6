"""uvicorn with bounded request heads and a graceful shutdown.

On SIGTERM or SIGINT /readyz reports the shutdown while the server drains; then it accepts no more
requests, finishes the running ones and exits with status 0. If something still hangs, it exits with
status 1.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tileserver.process.health import Health
from tileserver.process.takeover import Takeover
from tileserver.settings.server import Settings

logger = logging.getLogger(__name__)

HEAD_BYTES = 64 * 2**10
"""Limit of request line and headers; nginx allows 32 KiB."""
HEAD_SECONDS = 20.0
"""How long a client may take to send request line and headers."""
BODY_SECONDS = 60.0
"""How long it may take to send the body: twice the time that a route waits for it, so that a slow
client gets an answer before the connection is closed."""
SEND_SECONDS = 60.0
"""How long a client may take nothing of an answer; a part of one is 64 KiB (middleware/guard)."""
KEEP_ALIVE_SECONDS = 75
"""Longer than nginx keeps idle connections (60 s): the client side must close first, or requests
are lost."""
CLOSING_SECONDS = 10.0
"""How long the application may take to close after its last request."""


def run(
    app: FastAPI,
    health: Health,
    settings: Settings,
    sockets: list[socket.socket],
    others: Sequence[socket.socket] = (),
) -> None:
    """Serve on listening sockets until a signal, then close them.

    others: sockets of other workers, whose connections are accepted where they wait for long.
    """
    config, drain_seconds = make_config(app, settings), settings.operation.drain_seconds
    Server(config, health, drain_seconds, others).run(sockets)


def make_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings."""
    proxies = list(settings.access.trusted_proxies)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=BoundedRequests,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # request_log.py writes a better one
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.operation.shutdown_seconds,
    )


class Server(uvicorn.Server):
    """Exits with status 0 after a graceful shutdown; uvicorn's own re-raises the signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        health: Health,
        drain_seconds: float,
        others: Sequence[socket.socket] = (),
    ) -> None:
        super().__init__(config)
        self.health, self.drain_seconds = health, drain_seconds
        self._takeover = Takeover(list(others), self._make_protocol)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._takeover.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._takeover.close()
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        """What uvicorn answers a connection with."""
        return BoundedRequests(self.config, self.server_state, self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT, without raising them again afterwards."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, then shuts down; a second one shuts down at once."""
        if self.health.stopping or not self.drain_seconds:
            self._end(sig, frame)
        else:
            _call_later(self.drain_seconds, self._end, sig, None)
        self.health.stop()

    def _end(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        _call_later((self.config.timeout_graceful_shutdown or 0) + CLOSING_SECONDS, _exit_now)


class BoundedRequests(HttpToolsProtocol):
    """Bounds the size of request heads, and the time for heads, bodies and answers.

    A client that stops reading would otherwise keep its answer in memory for ever.
    """

    _in_head = True
    _head_bytes = 0
    _ends: asyncio.TimerHandle | None = None
    """Closes the connection where a head or a body is late."""
    _stalled: asyncio.TimerHandle | None = None
    """Aborts it where the client does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's takes this transport alone
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle():  # an empty line has ended the keep-alive timer, and begun no head
            self._expect_head()
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._expect(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_expecting()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stalling()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        self._stop_stalling()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_idle(self) -> bool:
        """Whether no request is being received or answered, and nothing ends the connection."""
        ends = self._ends is not None or self.timeout_keep_alive_task is not None
        return not (self._in_head or ends or self._is_answering())

    def _expect_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._expect(HEAD_SECONDS)

    def _expect(self, seconds: float) -> None:
        self._stop_expecting()
        self._ends = self.loop.call_later(seconds, self._close_late)

    def _close_late(self) -> None:
        if self._in_head and self._is_answering():  # the head of the next request can wait
            self._expect(HEAD_SECONDS)
        else:
            self.transport.close()

    def _stop_stalling(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _stop_expecting(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None


def _call_later(seconds: float, act: Any, *arguments: Any) -> None:
    """Call from a daemon thread: the event loop may be what hangs."""
    timer = threading.Timer(seconds, act, arguments)
    timer.daemon = True
    timer.start()


def _exit_now() -> None:
    logger.error("shutdown hangs: exiting with status 1")
    os._exit(1)
