"""The address that clients use, where a proxy stands before the server."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class PublicUrl:
    """ASGI middleware: every URL that a document names starts with the public one.

    Without it they start with what the request said (its Host header).
    """

    def __init__(self, app: ASGIApp, url: str) -> None:
        self.app = app
        parts = urlsplit(url)
        self._scheme, self._host = parts.scheme, parts.netloc.encode("latin-1")
        self._root = parts.path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope = {
                **scope,
                "scheme": self._scheme,
                "headers": [*headers, (b"host", self._host)],
                "app_root_path": self._root,  # what starlette builds base URLs from
            }
        await self.app(scope, receive, send)
