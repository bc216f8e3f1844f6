"""What is seen of every request: its id, its place in the counters, its line in the log.

The line never holds the query, where a key may stand.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tileserver.metrics import Metrics
from tileserver.middleware.api_keys import grant_of
from tileserver.middleware.disconnect import note_arrival
from tileserver.middleware.logs import REQUEST_ID
from tileserver.settings.operation import LogSettings

logger = logging.getLogger("overzoom.access")

SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
LINE = "%(method)s %(path)s %(status)d %(milliseconds).1f ms %(kind)s %(tier)s %(client)s %(key)s"
LONGEST_PATH = 256
TIER = b'cache;desc="'


class Observation:
    """Outermost: counts and logs whatever is answered, errors and refusals as well."""

    def __init__(self, app: ASGIApp, settings: LogSettings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self._salt = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        note_arrival(scope)
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id.decode())
        seen = _Seen(send, request_id)
        try:
            await self.app(scope, receive, seen.send)
        finally:
            seconds = time.perf_counter() - started
            self.metrics.answered(seen.status, seen.kind, seconds)
            if self._told(seen):
                fields = self._fields(scope, seen, seconds)
                logger.info(LINE, fields, extra=fields)
            REQUEST_ID.reset(token)

    def _told(self, seen: _Seen) -> bool:
        if self.settings.requests == "made":
            return seen.status != 304 and not seen.tier
        return self.settings.requests == "all"

    def _fields(self, scope: Scope, seen: _Seen, seconds: float) -> dict[str, Any]:
        return {
            "method": scope["method"],
            "path": quote(scope["path"][:LONGEST_PATH], safe="/:,@ "),  # no line breaks in a log
            "status": seen.status,
            "milliseconds": round(seconds * 1000, 1),
            "kind": seen.kind,
            "tier": seen.tier or "-",
            "client": self._client(scope),
            "key": grant_of(scope).name or "-",
        }

    def _client(self, scope: Scope) -> str:
        address: str = (scope.get("client") or ("local",))[0]
        if self.settings.client == "address":
            return quote(address[:LONGEST_PATH], safe=":%")
        return hashlib.blake2b(address.encode(), key=self._salt, digest_size=6).hexdigest()


class _Seen:
    """An answer on its way out; tier is where it was found, empty where it was made."""

    __slots__ = ("_request_id", "_send", "kind", "status", "tier")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send, self._request_id = send, request_id
        self.status, self.kind, self.tier = 499, "other", ""  # 499: gone before an answer

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == b"x-overzoom" and self.kind != "fallback":
                    self.kind = value.decode("latin-1")
                elif name == b"x-overzoom-fallback":
                    self.kind = "fallback"
                elif name == b"server-timing" and value.startswith(TIER):
                    tier = value[len(TIER) :].partition(b'"')[0].decode("latin-1")
                    self.tier = "" if tier == "miss" else tier
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id)]
        await self._send(message)


def _request_id(scope: Scope) -> bytes:
    """The client's own id where it is a plain word, else a fresh one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            given: bytes = value
            return given
    return secrets.token_hex(8).encode()
