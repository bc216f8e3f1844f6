"""Error texts that the libraries would make too long."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from fastapi import Body, FastAPI, Header, Query
from geojson_pydantic import Feature, FeatureCollection
from geojson_pydantic.geometries import Geometry
from starlette.testclient import TestClient

from tests.benchmarks.hostile import Request
from tests.benchmarks.judge import breaches
from tileserver.middleware.error_handlers import MAX_ALLOWED, add_error_handlers

Many = StrEnum("Many", {f"colour{number}": f"colour{number}" for number in range(200)})  # type: ignore[misc]  # its names are made, not written

AnyFeature = Feature[Geometry, dict[str, Any]]


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/shown")
    def shown(
        few: Literal["a", "b"] = "a",
        many: Many | None = None,
        number: float | Literal["nan"] = 0,
        sizes: Annotated[list[int] | None, Query(alias="Size[]")] = None,
        mark: Annotated[int, Header(alias="X-Mark")] = 0,
    ) -> None:
        """One of a few, one of many, and parameters that may be of several types."""

    @app.post("/shape")
    def shape(
        shape: Annotated[FeatureCollection[AnyFeature] | AnyFeature, Body()],
    ) -> None:
        """Shapes in GeoJSON."""

    return TestClient(app)


def test_a_long_list_of_what_is_allowed_is_cut_between_its_members(client: TestClient) -> None:
    answer = client.get("/shown?many=x")
    detail = answer.json()["detail"]
    assert answer.status_code == 422
    assert detail.startswith("many: Input should be 'colour0', 'colour1'")
    assert re.search(r"'colour\d+' or another value", detail)
    assert len(detail) < MAX_ALLOWED + 100
    headers = {"content-type": "application/json", "access-control-allow-origin": "*"}
    assert not list(breaches(Request("/shown"), 422, headers, answer.content))


def test_a_short_one_is_whole(client: TestClient) -> None:
    assert client.get("/shown?few=x").json()["detail"] == "few: Input should be 'a' or 'b'"


@pytest.mark.parametrize(
    ("query", "headers", "name"),
    [
        ("number=abc", {}, "number"),
        ("Size[]=1&Size[]=x", {}, "Size[]"),
        ("", {"X-Mark": "x"}, "X-Mark"),
    ],
)
def test_it_is_the_parameter_that_is_named_not_the_types_that_were_tried(
    client: TestClient, query: str, headers: dict[str, str], name: str
) -> None:
    answer = client.get(f"/shown?{query}", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{name}: Input should be")


POINT = {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"type": "Feature", "properties": {}, "geometry": POINT, "bbox": [1, 2]}, "bbox"),
        ({"type": "Feature", "properties": {}, "geometry": {"type": "Point"}}, "geometry"),
        ({"type": "Feature", "properties": {}, "geometry": POINT, "id": [1]}, "id"),
        ({"type": "FeatureCollection", "features": [1]}, "features"),
        ([1], "body"),
        ("{", "body"),
    ],
)
def test_of_a_body_it_is_the_member(client: TestClient, body: Any, name: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = client.post("/shape", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{name}: ")
