"""TileRoute: what is validated once is answered as if it were validated every time."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from tileserver.api.source_route import SourceRoute
from tileserver.api.tile_parameters import Address
from tileserver.api.tile_route import REMEMBERED, TileRoute
from tileserver.middleware.error_handlers import add_error_handlers

ODD = ["007", "+1", "-1", "1_0", "1.0", "1e3", "٣", " 1", "", "31", "2147483648", "9" * 30, "x"]
"""Of a zoom, a column or a row: numbers and none."""


class Validated:
    """An application of one route, which counts how often its colour is validated."""

    def __init__(self, route: type[SourceRoute]) -> None:
        self.count = 0
        made = cast(type[APIRoute], partial(route, known_only=True))
        router = APIRouter(prefix="/{source}", route_class=made)

        async def count_colour(red: Annotated[int, Query(ge=0, le=255)] = 0) -> int:
            self.count += 1
            return red

        @router.get("/{z}/{x}/{y}.{format}")
        async def tile(
            request: Request,
            source: str,
            format: str,
            address: Address,
            red: int = Depends(count_colour),
        ) -> Response:
            return JSONResponse([source, format, *address, red, request.url.query])

        app = FastAPI()
        app.include_router(router)
        add_error_handlers(app)
        self.client = TestClient(app)

    def get(self, path: str) -> tuple[int, str]:
        answer = self.client.get(path)
        return answer.status_code, answer.text


@pytest.fixture
def tiles() -> Validated:
    return Validated(TileRoute)


def test_tiles_that_differ_in_their_address_are_validated_once(tiles: Validated) -> None:
    answers = {tiles.get(f"/a/{z}/{x}/3.png?red=7") for z in (5, 6) for x in range(4)}
    assert len(answers) == 8
    assert tiles.count == 1
    for path in ("/a/5/1/3.webp?red=7", "/b/5/1/3.png?red=7", "/a/5/1/3.png?red=8"):
        assert tiles.get(path)[0] == 200
    assert tiles.count == 4


@pytest.mark.parametrize("query", ["", "?red=7", "?red=256", "?red=x", "?blue=1", "?red=1&red=2"])
@pytest.mark.parametrize("place", range(3))
def test_answers_are_those_of_a_route_that_validates_all(place: int, query: str) -> None:
    plain, tiles = Validated(SourceRoute), Validated(TileRoute)
    tiles.get(f"/a/5/1/3.png{query}")
    for number in ODD:
        numbers = ["5", "1", "3"]
        numbers[place] = number
        path = f"/a/{'/'.join(numbers)}.png{query}"
        assert tiles.get(path) == plain.get(path)


def test_refused_parameters_are_not_remembered(tiles: Validated) -> None:
    for _ in range(2):
        assert tiles.get("/a/5/1/3.png?red=256")[0] == 422
    assert tiles.get("/a/5/1/3.png")[0] == 200


def test_what_is_remembered_is_bounded(tiles: Validated) -> None:
    for red in range(256):
        tiles.get(f"/a/5/1/3.png?red={red}")
    tiles.get("/b/5/1/3.png")
    assert tiles.count == REMEMBERED + 1
    tiles.get("/a/5/1/3.png?red=255")
    assert tiles.count == REMEMBERED + 1
    tiles.get("/a/5/1/3.png?red=0")
    assert tiles.count == REMEMBERED + 2
