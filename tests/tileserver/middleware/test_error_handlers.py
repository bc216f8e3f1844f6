"""Error texts that the libraries would make too long."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.benchmarks.hostile import Request
from tests.benchmarks.judge import breaches
from tileserver.middleware.error_handlers import MAX_ALLOWED, add_error_handlers

Many = StrEnum("Many", {f"colour{number}": f"colour{number}" for number in range(200)})  # type: ignore[misc]  # its names are made, not written


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/shown")
    def shown(few: Literal["a", "b"] = "a", many: Many | None = None) -> None:
        """One of a few, one of many."""

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
