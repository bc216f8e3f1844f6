"""Route classes: what is checked of every request under a source's id, and what reads the source.

SourceRoute     coroutines: bounded parameters, one log line for what is answered 503
ThreadedRoute   functions: in the threads that read their source, until the client disconnects

Their options are given as a router's route_class: functools.partial(SourceRoute, ...).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cache.breaker import summarise_error
from tileserver.api.parameters import check_known, check_parameters
from tileserver.api.titiler_limits import Limits, check_features, check_limits
from tileserver.catalogue.layers import Source
from tileserver.errors import Overloaded, SourceChanged, SourceUnavailable
from tileserver.library_internals import parameter_names
from tileserver.middleware.disconnect import run_until_disconnect
from tileserver.tiles.readers import Readers

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SourceRoute(APIRoute):
    """A route whose parameters are checked first, and whose 503 leaves one line in the log."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        known_only: bool = False,
        limits: Limits | None = None,
        **options: Any,
    ) -> None:
        """known_only: refuse parameters that the route does not take.

        limits: bounds of sizes, places and shapes, where the endpoint checks none itself.
        options: FastAPI's.
        """
        self.known_only, self.limits = known_only, limits
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        handler = self.wrap_handler(super().get_route_handler())
        known = parameter_names(self) if self.known_only else None

        async def check_and_answer(request: Request) -> Response:
            check_parameters(request)
            if known is not None:
                check_known(request, known)
            if self.limits is not None:
                check_limits(request, self.limits)
                await check_features(request)
            return await handler(request)

        return check_and_answer

    def wrap_handler(self, handler: Handler) -> Handler:
        """What is done around FastAPI's handler, after the checks."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except (SourceUnavailable, Overloaded) as error:
                source = request.path_params.get("source", "-")
                logger.warning("%s: 503, %s%s", source, error, _reason(error))
                raise

        return answer


class ThreadedRoute(SourceRoute):
    """A route whose endpoint is a function that takes a Source, run in the threads that read it.

    starlette's own threads are one pool for everything: a source that hangs would soon have all.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        readers: Readers,
        deadline_seconds: float,
        **options: Any,
    ) -> None:
        """deadline_seconds: how long a request may take, from its arrival.

        options: those of SourceRoute.
        """
        self.readers, self.deadline_seconds = readers, deadline_seconds
        super().__init__(path, self._run_in_thread(endpoint), **options)

    def wrap_handler(self, handler: Handler) -> Handler:
        async def retry(request: Request) -> Response:
            try:
                return await handler(request)
            except SourceChanged:  # by now there may be another version of it
                return await handler(request)

        async def answer(request: Request) -> Response:
            # A body has been read by now (check_features): what comes next is the disconnect.
            return await run_until_disconnect(request, retry(request), self.deadline_seconds)

        return super().wrap_handler(answer)

    def _run_in_thread(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(endpoint)
        async def run(**values: Any) -> Any:
            found = (value for value in values.values() if isinstance(value, Source))
            source = next(found, None)
            if source is None:
                raise TypeError(f"{endpoint.__name__} takes no Source")
            return await self.readers.run(source.id, partial(endpoint, **values))

        return run


def _reason(error: BaseException) -> str:
    """What an error comes from, in brackets; empty where nothing is known."""
    return "" if error.__cause__ is None else f" ({summarise_error(error.__cause__)})"
