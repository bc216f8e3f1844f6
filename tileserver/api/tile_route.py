"""TileRoute: the route class of tiles, whose parameters are validated once for many tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from cachetools import LRUCache
from morecantile import Tile
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.source_route import Handler, SourceRoute
from tileserver.api.tile_parameters import MAX_INDEX, MAX_ZOOM

REMEMBERED = 256
ADDRESS = ("z", "x", "y")


class TileRoute(SourceRoute):
    """A route whose endpoint takes the request, an address, and what its other parameters say.

    FastAPI validates every parameter of every request, which costs more than the rest of a cache
    hit. Tiles differ in their addresses and hardly in anything else: the other parameters are
    validated once, and remembered by the text that they came from. So they must depend on the
    path and the query alone.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """options: those of SourceRoute."""
        self._answer = endpoint
        self._validated: LRUCache[tuple[Any, ...], dict[str, Any]] = LRUCache(REMEMBERED)
        super().__init__(path, self._remember(endpoint), **options)

    def wrap_handler(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            values = self._validated.get(_other_parameters(request))
            address = None if values is None else read_address(request.path_params)
            if values is None or address is None:
                return await handler(request)
            response: Response = await self._answer(request=request, address=address, **values)
            return response

        return super().wrap_handler(answer)

    def _remember(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        """The endpoint, called by FastAPI with validated values."""

        @wraps(endpoint)
        async def answer(request: Request, address: Tile, **values: Any) -> Any:
            self._validated[_other_parameters(request)] = values
            return await endpoint(request=request, address=address, **values)

        return answer


def read_address(path_params: dict[str, str]) -> Tile | None:
    """The address of a path in plain digits; None for any other, which FastAPI judges."""
    texts = [path_params[name] for name in ADDRESS]
    if not all(text.isascii() and text.isdigit() and len(text) <= 10 for text in texts):
        return None
    z, x, y = (int(text) for text in texts)
    return Tile(x, y, z) if z <= MAX_ZOOM and max(x, y) <= MAX_INDEX else None


def _other_parameters(request: Request) -> tuple[Any, ...]:
    """Everything in a path and a query but the address, as it is written."""
    path = (value for name, value in request.path_params.items() if name not in ADDRESS)
    return (request.scope["query_string"], *path)
