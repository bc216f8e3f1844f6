"""Asking a pure ASGI application without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope


@dataclass
class Answer:
    """What an application sent."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    content: bytes = b""


def scope_of(url: str, client: str = "10.0.0.1", **headers: str) -> Scope:
    """The scope of a GET; underscores in the headers' names are hyphens."""
    path, _, query = url.partition("?")
    return {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        "client": (client, 1234),
        "state": {},
    }


async def ask(app: ASGIApp, scope: Scope, *body: bytes) -> Answer:
    """The application's answer; the body comes in as many messages as are given."""
    answer, parts = Answer(), list(body or [b""])

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = Headers(raw=message["headers"])
        else:
            answer.content += message.get("body", b"")

    await app(scope, receive, send)
    return answer
