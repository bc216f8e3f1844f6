"""Answers to errors: JSON with texts that reveal nothing of the machine; details are logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from rio_tiler.errors import PointOutsideBounds, TileOutsideBounds
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from titiler.core.errors import DEFAULT_STATUS_CODES

from tileserver.errors import (
    STATUS_CODES,
    OutOfRange,
    OutsideSource,
    OutsideZooms,
    RequestError,
)

logger = logging.getLogger(__name__)

_TITILER_TEXTS = {
    400: "bad request",
    404: "not found",
    422: "parameter out of range",
    500: "the source cannot be read",
}
_HTTP_TEXTS = {400: "bad request", 404: "not found", 405: "method not allowed"}


TILE_ADDRESS = frozenset({"z", "x", "y", "level", "row", "col"})
"""Parts of paths: what is out of their range is a tile that is not there."""
MAX_ALLOWED = 200
"""Most characters of a list of allowed values: titiler has two hundred colour maps."""


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error in JSON with a fixed text; details go only to the log."""
    for error, status in STATUS_CODES.items():
        app.add_exception_handler(error, _answer(status, None))
    for error, status in DEFAULT_STATUS_CODES.items():
        if error is not Exception:
            app.add_exception_handler(error, _answer(status, _TITILER_TEXTS.get(status)))
    app.add_exception_handler(TileOutsideBounds, _answer(404, OutsideSource.text))
    app.add_exception_handler(PointOutsideBounds, _answer(404, "point lies outside the source"))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _answer(500, "internal error"))


def error_response(error: RequestError) -> Response:
    """The answer to an error, also for middleware outside the application's handlers."""
    return JSONResponse({"detail": str(error)}, STATUS_CODES[type(error)], error_headers(error))


def error_headers(error: RequestError) -> dict[str, str]:
    """The headers of an answer to an error, in whatever form it is."""
    headers = {"Cache-Control": "no-store", **error.headers}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return headers


def _answer(
    status: int, text: str | None
) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def handler(_request: Request, error: Exception) -> Response:
        if isinstance(error, RequestError):
            return error_response(error)
        if status >= 500:
            logger.error("request failed", exc_info=error)
        return JSONResponse({"detail": text or str(error)}, status, {"Cache-Control": "no-store"})

    return handler


async def _invalid(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError) or not error.errors():
        raise error
    return error_response(find_invalid(error))


def find_invalid(error: RequestValidationError) -> OutOfRange:
    """An invalid parameter, and what FastAPI says is allowed."""
    # Of several types that were tried, those that fitted furthest are what was meant.
    depth = max(len(one["loc"]) for one in error.errors())
    deepest = [one for one in error.errors() if len(one["loc"]) == depth]
    name = _find_name(deepest[0]["loc"])
    texts = dict.fromkeys(one["msg"] for one in deepest if _find_name(one["loc"]) == name)
    allowed = re.sub(r"<[\w.]+: ('[^']*')>", r"\1", "; or: ".join(texts))  # members of an enum
    if len(allowed) > MAX_ALLOWED:
        some = allowed[:MAX_ALLOWED].rpartition(",")[0]
        allowed = f"{some} or another value listed in openapi.json"
    outside = deepest[0]["loc"][0] == "path" and name in TILE_ADDRESS
    return OutsideZooms(name, allowed) if outside else OutOfRange(name, allowed)


def _find_name(location: Sequence[str | int]) -> str:
    """The parameter at a location of pydantic's, or the member of a body.

    Behind its name stand the types that were tried, in a body also before it.
    """
    where, *parts = location
    names = (part for part in parts if isinstance(part, str))
    if where == "body":
        names = (name for name in names if name.isidentifier() and name.islower())
    return next(names, str(where))


async def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    text = _HTTP_TEXTS.get(error.status_code, "request refused")
    return JSONResponse({"detail": text}, error.status_code, error.headers)
