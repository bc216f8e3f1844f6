"""Routes that read a source: each in threads of its source's own, for clients that may leave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cache.breaker import summarise_error
from tileserver.catalogue.layers import Source
from tileserver.errors import Overloaded, SourceChanged, SourceUnavailable
from tileserver.middleware.disconnect import while_there
from tileserver.tiles.readers import Readers

logger = logging.getLogger(__name__)


class SourceRoute(APIRoute):
    """A route whose endpoint, where it is no coroutine, runs in the threads that read its source.

    starlette's own threads are one pool for everything: a source that hangs would soon have all.
    What is answered 503 leaves one line in the log, with the source and the reason.
    """

    readers: ClassVar[Readers]
    deadline_seconds: ClassVar[float]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.reads = not iscoroutinefunction(endpoint)
        super().__init__(path, self._threaded(endpoint) if self.reads else endpoint, **options)

    @classmethod
    def of(cls, readers: Readers, deadline_seconds: float) -> type[APIRoute]:
        """The class of one server's routes."""
        return type(
            cls.__name__, (cls,), {"readers": readers, "deadline_seconds": deadline_seconds}
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def once_more(request: Request) -> Response:
            try:
                return await handler(request)
            except SourceChanged:  # by now there may be another version of it
                return await handler(request)

        async def in_time(request: Request) -> Response:
            # A body has been read by whoever bounds it (limits): what comes next is the leaving.
            return await while_there(request, once_more(request), self.deadline_seconds)

        answered = in_time if self.reads else handler

        async def logged(request: Request) -> Response:
            try:
                return await answered(request)
            except (SourceUnavailable, Overloaded) as error:
                source = request.path_params.get("source", "-")
                logger.warning("%s: 503, %s%s", source, error, _reason(error))
                raise

        return logged

    def _threaded(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(endpoint)
        async def run(**values: Any) -> Any:
            source = next(value for value in values.values() if isinstance(value, Source))
            return await self.readers.run(source.id, partial(endpoint, **values))

        return run


def _reason(error: BaseException) -> str:
    """What an error comes from, in brackets; empty where nothing is known."""
    return "" if error.__cause__ is None else f" ({summarise_error(error.__cause__)})"
