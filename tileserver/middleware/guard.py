"""Limits of request sizes, answers in parts, their headers, and one to unexpected errors."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tileserver.errors import BodyTooLarge, RequestError, UrlTooLong
from tileserver.middleware.error_handlers import error_response

logger = logging.getLogger(__name__)

BODY_BYTES = 2**20
"""Limit of a body: a GeoJSON feature of some 40,000 vertices."""
URL_BYTES = 16 * 2**10
"""Limit of path and query; the longest sensible query is a colour map of 256 colours, 14 KiB."""
PART_BYTES = 64 * 2**10
"""Of an answer's body sent at a time: the rest waits until the client has taken it, with all that
the request holds, its slot among them."""
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


class Guard:
    """Refuses too large requests, answers errors in JSON and HEAD as GET, adds headers.

    Those of security; and Cache-Control where an answer has none, so that caches revalidate it, and
    store no error.
    """

    def __init__(
        self, app: ASGIApp, public_url: str | None = None, basemap: str | None = None
    ) -> None:
        """What pages may request beside the server itself.

        public_url: the address of tiles in documents; basemap: the origin of a basemap's tiles.
        """
        self.app, self._policy = app, page_policy(public_url, basemap)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        guarded = _Guarded(send, self._policy)
        if scope["method"] == "HEAD":  # the server below sends no body for it
            scope = {**scope, "method": "GET"}
        try:
            await self.app(scope, _limit_body(scope, receive), guarded.send)
        except RequestError as error:
            await error_response(error)(scope, receive, guarded.send)
        except Exception as error:  # outermost handler inside CORS
            logger.error("request failed", exc_info=error)
            if guarded.started:
                raise
            answer = JSONResponse({"detail": "internal error"}, 500, {"Cache-Control": "no-store"})
            await answer(scope, receive, guarded.send)


def page_policy(public_url: str | None = None, basemap: str | None = None) -> bytes:
    """The Content-Security-Policy of pages: no inline code, no other host but a basemap's."""
    tiles = "'self'"
    if public_url is not None:
        parts = urlsplit(public_url)
        tiles += f" {parts.scheme}://{parts.netloc}"
    images = tiles if basemap is None else f"{tiles} {basemap}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images} data:; "
        f"connect-src {tiles}; base-uri 'none'; form-action 'none'"
    ).encode("latin-1")


class _Guarded:
    """Adds the headers to an answer, and notes whether it has started."""

    __slots__ = ("_policy", "_send", "started")

    def __init__(self, send: Send, policy: bytes) -> None:
        self._send, self._policy, self.started = send, policy, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = [*message["headers"], *HEADERS]
            if all(k != b"cache-control" for k, _ in headers):
                control = b"no-cache" if message["status"] < 400 else b"no-store"
                headers.append((b"cache-control", control))
            if any(k == b"content-type" and v.startswith(b"text/html") for k, v in headers):
                headers.append((b"content-security-policy", self._policy))
            message["headers"] = headers
        body = message.get("body", b"")
        sent = 0
        while len(body) - sent > PART_BYTES:
            part = body[sent : sent + PART_BYTES]
            await self._send({**message, "body": part, "more_body": True})
            sent += PART_BYTES
        await self._send({**message, "body": body[sent:]} if sent else message)


def _limit_body(scope: Scope, receive: Receive) -> Receive:
    """The request's messages, its body bounded; raises UrlTooLong or BodyTooLarge."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > URL_BYTES:
        raise UrlTooLong
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > BODY_BYTES:
            raise BodyTooLarge
        if name == b"transfer-encoding":
            return _count_body(receive)
    return receive


def _count_body(receive: Receive) -> Receive:
    """A body of unknown length; reading too much of it raises BodyTooLarge."""
    received_bytes = 0

    async def counted() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > BODY_BYTES:
            raise BodyTooLarge
        return message

    return counted
