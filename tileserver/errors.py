"""The server's errors, and the one table that turns errors into status codes.

OverzoomError
├── StartupError          the server cannot start: a source, a checkpoint or the configuration
└── RequestError          an answer with a fixed text that says nothing of the machine
    ├── UnknownSource     404
    ├── OutsideSource     404
    ├── OutsideGrid       404
    ├── OutOfRange        422
    ├── UnsupportedGrid   400
    ├── TooLarge          413
    └── Overloaded        503, with Retry-After
"""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from rio_tiler.errors import PointOutsideBounds, TileOutsideBounds
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from titiler.core.errors import DEFAULT_STATUS_CODES

logger = logging.getLogger(__name__)


class OverzoomError(Exception):
    """Base of every error that the server raises on purpose."""


class StartupError(OverzoomError):
    """The server does not start; the message says in one line which thing and why."""


class RequestError(OverzoomError):
    """A request that cannot be answered with a tile; its text is fixed."""

    text = "bad request"
    retry_after_seconds: int | None = None

    def __init__(self) -> None:
        super().__init__(self.text)


class UnknownSource(RequestError):
    text = "no such source"


class OutsideSource(RequestError):
    text = "tile lies outside the source"


class OutsideGrid(RequestError):
    text = "source lies outside the tile matrix set"


class OutOfRange(RequestError):
    text = "zoom, tile or parameter out of range"


class UnsupportedGrid(RequestError):
    text = "tile matrix set does not double from zoom to zoom"


class TooLarge(RequestError):
    text = "request too large"


class Overloaded(RequestError):
    text = "busy, try again"
    retry_after_seconds = 2


STATUS_CODES: dict[type[Exception], int] = {
    UnknownSource: 404,
    OutsideSource: 404,
    OutsideGrid: 404,
    OutOfRange: 422,
    UnsupportedGrid: 400,
    TooLarge: 413,
    Overloaded: 503,
}
_TITILER_TEXTS = {
    400: "bad request",
    404: "not found",
    422: "parameter out of range",
    500: "the source cannot be read",
}
_HTTP_TEXTS = {400: "bad request", 404: "not found", 405: "method not allowed"}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error in JSON with a fixed text; details go to the log alone."""
    for error, status in STATUS_CODES.items():
        app.add_exception_handler(error, _answer(status, None))
    for error, status in DEFAULT_STATUS_CODES.items():
        if error is not Exception:
            app.add_exception_handler(error, _answer(status, _TITILER_TEXTS.get(status)))
    app.add_exception_handler(TileOutsideBounds, _answer(404, OutsideSource.text))
    app.add_exception_handler(PointOutsideBounds, _answer(404, "point lies outside the source"))
    app.add_exception_handler(RequestValidationError, _answer(422, OutOfRange.text))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _answer(500, "internal error"))


def _answer(status: int, text: str | None):  # type: ignore[no-untyped-def]
    async def handler(_request: Request, error: Exception) -> Response:
        if status >= 500 and not isinstance(error, RequestError):
            logger.error("request failed", exc_info=error)
        seconds = error.retry_after_seconds if isinstance(error, RequestError) else None
        headers = {"Cache-Control": "no-store"}
        if seconds is not None:
            headers["Retry-After"] = str(seconds)
        return JSONResponse({"detail": text or str(error)}, status, headers)

    return handler


async def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    text = _HTTP_TEXTS.get(error.status_code, "request refused")
    return JSONResponse({"detail": text}, error.status_code, error.headers)
