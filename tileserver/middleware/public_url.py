"""The address that clients use when the server is behind a proxy."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class PublicUrl:
    """ASGI middleware: URLs in documents start with the public URL.

    Without it they start with the request's Host header. If the proxy leaves the public URL's path
    on requests it is removed, unless a source has that name.
    """

    def __init__(self, app: ASGIApp, url: str, sources: Collection[str] = ()) -> None:
        self.app = app
        parts = urlsplit(url)
        self._scheme, self._host = parts.scheme, parts.netloc.encode("latin-1")
        self._root = parts.path.rstrip("/")
        self._stripped = self._root.strip("/").split("/")[0] not in sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope = {
                **scope,
                "scheme": self._scheme,
                "headers": [*headers, (b"host", self._host)],
                "app_root_path": self._root,  # what starlette builds base URLs from
            }
            if self._root and self._stripped:
                scope["path"] = self._inner(scope["path"])
                if "raw_path" in scope:
                    scope["raw_path"] = self._inner(scope["raw_path"].decode("latin-1")).encode(
                        "latin-1"
                    )
        await self.app(scope, receive, send)

    def _inner(self, path: str) -> str:
        """A path without the public URL's path, if it starts with that."""
        if path == self._root or path.startswith(f"{self._root}/"):
            return path.removeprefix(self._root) or "/"
        return path
