"""Static files of pages; the .gz variant is sent to clients that accept gzip."""

from __future__ import annotations

import hashlib
import os
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from tileserver.api.etag import matches_etag

REVALIDATED = "no-cache"
"""Cached, but revalidated on every use (304): pages never meet scripts of an older server."""


class Page:
    """A page that a client keeps, and asks for anew only if it has changed."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        self._etag = f'"{hashlib.blake2b(self._content, digest_size=16).hexdigest()}"'

    def answer(self, request: Request) -> Response:
        """The page, or 304."""
        headers = {"Cache-Control": REVALIDATED, "ETag": self._etag}
        if matches_etag(request.headers.get("if-none-match"), self._etag):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(self._content, headers=headers)


class Precompressed(StaticFiles):
    """Files of a folder; where there is a FILE.gz it is sent in place of FILE."""

    def __init__(self, folder: Path) -> None:
        """folder: need not exist; nothing is found in it then."""
        super().__init__(directory=folder, check_dir=False)

    async def check_config(self) -> None:
        """A server without its pages still serves tiles."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file or its compressed form, with an ETag of its own, or 304."""
        packed = f"{os.fspath(full_path)}.gz"
        there = os.path.isfile(packed)
        if there and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            answer = super().file_response(packed, os.stat(packed), scope, status_code)
            answer.headers["content-encoding"] = "gzip"
            answer.headers["content-type"] = _media_type(full_path)
        else:
            answer = super().file_response(full_path, stat_result, scope, status_code)
        if there:
            answer.headers.add_vary_header("Accept-Encoding")
        answer.headers["cache-control"] = REVALIDATED
        return answer


def _media_type(path: PathLike) -> str:
    media_type, _ = guess_type(path)
    return f"{media_type or 'application/octet-stream'}; charset=utf-8"
