"""titiler's own routes: what its libraries refuse is the client's error, what fails in ours is not.

titiler answers 500 where a library below it refuses a parameter.
"""

from __future__ import annotations

import logging
from traceback import walk_tb

from rasterio.errors import RasterioError, RasterioIOError
from rio_tiler.errors import PointOutsideBounds, RioTilerError
from starlette.requests import Request
from starlette.responses import Response
from titiler.core.errors import DEFAULT_STATUS_CODES

from tileserver.api.source_route import Handler, ThreadedRoute
from tileserver.errors import OutOfRange
from tileserver.library_internals import CPLE_BaseError
from tileserver.middleware.logs import quote_path

logger = logging.getLogger(__name__)

REFUSALS = (ValueError, IndexError, KeyError, TypeError, ArithmeticError, RecursionError)
"""What the libraries raise for parameters that they cannot use."""
UNREADABLE = (RasterioIOError,)
ANSWERED = {error for error, status in DEFAULT_STATUS_CODES.items() if status < 500}
ANSWERED |= {PointOutsideBounds}
"""Errors that have an answer of their own."""
OURS = frozenset({"tileserver", "engine", "cache"})
LIBRARIES = frozenset({"titiler", "rio_tiler", "fastapi", "starlette", "pydantic"})
"""Packages that read parameters for titiler's routes."""


class TitilerRoute(ThreadedRoute):
    """A route whose libraries' refusals of a parameter are answered 422, and logged.

    Whatever else fails in it is a fault: 500, with a traceback in the log.
    """

    def wrap_handler(self, handler: Handler) -> Handler:
        answer = super().wrap_handler(handler)

        async def refuse_unusable(request: Request) -> Response:
            try:
                response = await answer(request)
            except (*REFUSALS, RasterioError, RioTilerError, CPLE_BaseError) as error:
                answered = isinstance(error, UNREADABLE) or type(error) in ANSWERED
                if answered or _is_fault(error):
                    raise
                logger.info("refused %s: %r", quote_path(request.url.path), error)
                raise OutOfRange("query", "not usable with this source") from error
            if response.headers.get("content-type") == "image/jpg":  # titiler's, not registered
                response.headers["content-type"] = "image/jpeg"
            return response

        return refuse_unusable


def _is_fault(error: Exception) -> bool:
    """Whether an error is our own: the innermost package that it comes from is ours."""
    if not isinstance(error, REFUSALS):
        return False
    packages = [
        frame.f_globals.get("__name__", "").partition(".")[0]
        for frame, _ in walk_tb(error.__traceback__)
    ]
    known = [package for package in packages if package in OURS | LIBRARIES]
    return bool(known) and known[-1] in OURS
