"""Correlation id, metrics and log line of every request.

The line never contains the query, which may hold a key.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from multiprocessing import current_process
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tileserver.metrics import Metrics
from tileserver.middleware.api_keys import grant_of
from tileserver.middleware.disconnect import note_arrival
from tileserver.middleware.logs import LONGEST_PATH, REQUEST_ID, quote_path
from tileserver.settings.operation import LogSettings

logger = logging.getLogger("overzoom.access")

SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
LINE = "%(method)s %(path)s %(status)d %(milliseconds).1f ms %(kind)s %(tier)s %(client)s %(key)s"
SALT_BYTES = 16
ANSWER = "overzoom.answer"
"""The key in a request's scope of the notes on its answer."""


def note_pixels(request: Request, kind: str, tier: str | None = None) -> None:
    """Note the kind of pixels in a request's answer, one of metrics.KINDS.

    tier: the cache tier that had them; None if they were made, or not sent.
    """
    answer: _Answer | None = request.scope.get(ANSWER)
    if answer is not None:
        answer.kind, answer.tier = kind, tier


class RequestLog:
    """ASGI middleware: counts and logs every answer, including errors."""

    def __init__(self, app: ASGIApp, settings: LogSettings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self._key = current_process().authkey[:SALT_BYTES]  # random; one for all workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        note_arrival(scope)
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id.decode())
        answer = scope[ANSWER] = _Answer(send, request_id)
        try:
            await self.app(scope, receive, answer.send)
        finally:
            # Until the answer, not until a slow client has taken all of it.
            seconds = (answer.began or time.perf_counter()) - started
            self.metrics.count_response(answer.status, answer.kind, seconds)
            if self._is_logged(answer):
                fields = self._fields(scope, answer, seconds)
                logger.info(LINE, fields, extra=fields)
            REQUEST_ID.reset(token)

    def _is_logged(self, answer: _Answer) -> bool:
        if self.settings.requests == "made":
            return answer.status != 304 and answer.tier is None
        return self.settings.requests == "all"

    def _fields(self, scope: Scope, answer: _Answer, seconds: float) -> dict[str, Any]:
        return {
            "method": scope["method"],
            "path": quote_path(scope["path"]),
            "status": answer.status,
            "milliseconds": round(seconds * 1000, 1),
            "kind": answer.kind,
            "tier": answer.tier or "-",
            "client": self._client(scope),
            "key": grant_of(scope).name or "-",
        }

    def _client(self, scope: Scope) -> str:
        address: str = (scope.get("client") or ("local",))[0]
        if self.settings.client == "address":
            return quote(address[:LONGEST_PATH], safe=":%")
        return hashlib.blake2b(address.encode(), key=self._key, digest_size=6).hexdigest()


class _Answer:
    """Notes status and kind of pixels of an answer, and adds the correlation id's header."""

    __slots__ = ("_request_id", "_send", "began", "kind", "status", "tier")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send, self._request_id = send, request_id
        self.status = 499  # the client disconnected before an answer
        self.began: float | None = None
        self.kind = "other"
        self.tier: str | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.began = message["status"], time.perf_counter()
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id)]
        await self._send(message)


def _request_id(scope: Scope) -> bytes:
    """The client's correlation id if it is a plain word, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            given: bytes = value
            return given
    return secrets.token_hex(8).encode()
