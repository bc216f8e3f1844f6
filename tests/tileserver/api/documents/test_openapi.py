"""The document of all routes: topics, summaries, and examples that run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from tests.support.metrics import parse_metrics
from tests.support.rasters import cut
from tests.support.server import wait_until_ready
from tileserver.api.documents.openapi import TOPICS, summarise
from tileserver.app import make_app
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

Json = dict[str, Any]
MADE = "overzoom_computed_tiles_total"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Two small sources: examples read whole sources, too."""
    folder = tmp_path_factory.mktemp("small")
    sources = {kind: {"path": str(cut(folder / f"{kind}.tif", kind))} for kind in ("rgb", "rgba")}
    values = {"sources": sources, "cache": {"folder": str(folder / "cache")}}
    settings = Settings.model_validate({**values, "deadline_seconds": 300})
    with TestClient(make_app(settings)) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> Json:
    found: Json = client.get("/openapi.json").json()
    return found


def operations(document: Json) -> list[tuple[str, str, Json]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def filled(path: str, operation: Json) -> str:
    """The URL that a reader gets who takes every example, as the page fills them in."""
    query = []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        elif "example" in parameter:
            query.append((parameter["name"], parameter["example"]))
    return f"{path}?{urlencode(query)}" if query else path


def test_every_example_is_answered(client: TestClient, document: Json) -> None:
    asked, before = 0, count_made(client)
    for method, path, operation in operations(document):
        bodies = operation.get("requestBody", {}).get("content", {}).values()
        body = next((one["example"] for one in bodies), None)
        answer = client.request(method, filled(path, operation), json=body)
        assert answer.status_code == 200, (path, answer.text[:300])
        kind = answer.headers["content-type"]
        if path.endswith(("/map", "/wms", "/wmts", ".{format}", "{y}", "{col}", "x")):
            assert kind == "image/png", path
        asked += 1
    assert asked >= 50
    assert count_made(client) - before <= 30, "to try an example is cheap"


def count_made(client: TestClient) -> float:
    """Tiles that the server has made so far."""
    seen = parse_metrics(client.get("/metrics").text)
    return sum(count for (name, *_), count in seen.items() if name == MADE)


def test_every_link_to_an_example_is_answered(client: TestClient, document: Json) -> None:
    for method, path, operation in operations(document):
        links = re.findall(r"Example: \[(.+?)\]\((.+?)\)", operation["description"])
        assert len(links) == (method == "get"), path
        for text, href in links:
            assert text == href
            assert not href.startswith("/"), "it may lie below a public URL's path"
            assert client.get(f"/{href}").status_code == 200, href


def test_every_route_has_a_topic_and_a_summary(document: Json) -> None:
    listed = [tag["name"] for tag in document["tags"]]
    assert listed == [topic.name for topic in TOPICS]
    used = set()
    for _, path, operation in operations(document):
        (tag,) = operation["tags"]
        used.add(tag)
        assert 3 < len(operation["summary"]) < 160, path
        assert not operation["summary"].endswith(".")
    assert used == set(listed), "every topic has a route, and every route a topic"


@pytest.mark.parametrize(
    ("description", "summary"),
    [
        ("A tile. More of it.", "A tile"),
        ("TileJSON 3.0; its member\n    says.", "TileJSON 3.0; its member says"),
        ("WMS 1.3.0 and 1.1.1 of one source.", "WMS 1.3.0 and 1.1.1 of one source"),
        ("Line one\n\nparagraph", "Line one"),
    ],
)
def test_a_summary_is_the_first_sentence(description: str, summary: str) -> None:
    assert summarise(description) == summary


def test_examples_are_of_a_source_that_the_client_may_see(demo: Path, tmp_path: Path) -> None:
    key = {"sha256": sha256(b"secret").hexdigest(), "sources": ["truth"]}
    values = {"access": {"keys": {"map": key}}, "cache": {"folder": str(tmp_path / "cache")}}
    with TestClient(make_app(read_settings(demo / "overzoom.yaml", values))) as client:
        unknown = client.get("/openapi.json")
        assert "private" in unknown.headers["cache-control"]
        for id in ("harbour", "truth", "yellowstone"):
            assert f'"{id}"' not in unknown.text
        known = client.get("/openapi.json?key=secret").json()
        tilejson = known["paths"]["/{source}/tilejson.json"]["get"]
        (source,) = (one for one in tilejson["parameters"] if one["name"] == "source")
        assert source["example"] == "truth"
        (href,) = re.findall(r"\((.+)\)", tilejson["description"])
        assert href == "truth/tilejson.json?key=secret"
        assert client.get(f"/{href}").status_code == 200
