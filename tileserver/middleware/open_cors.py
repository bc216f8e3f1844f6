"""CORS for pages of any origin, the same for all requests."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Send


class OpenCors(CORSMiddleware):
    """Says in every answer that any page may read it.

    Starlette says so only to requests that have an Origin, with Vary: Origin. Caches that ignore
    Vary would then give pages answers that they may not read, and the others would store each tile
    once for every page that embeds it.
    """

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            MutableHeaders(scope=message).update(self.simple_headers)
        await send(message)
