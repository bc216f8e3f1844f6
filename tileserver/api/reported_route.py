"""Routes of protocols whose errors have documents of their own: WMS and WMTS by key and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.source_route import Handler, SourceRoute
from tileserver.errors import RequestError
from tileserver.middleware.error_handlers import find_invalid

Report = Callable[[Request, RequestError], Response]


class ReportedRoute(SourceRoute):
    """A route that answers errors by a report of its protocol."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, report: Report, **options: Any
    ) -> None:
        """report: the answer to an error; options: those of SourceRoute."""
        self.report = report
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            refusal: RequestError
            try:
                return await handler(request)
            except RequestValidationError as error:
                refusal = find_invalid(error)
            except RequestError as error:
                refusal = error
            # In a thread: it may be drawn on a map of millions of pixels.
            return await run_in_threadpool(self.report, request, refusal)

        return answer
