"""GET /openapi.json: all routes by topic, with examples that a client can run as they stand.

The examples are of the first source that the client may see: its middle, one zoom past native.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from tileserver.api.documents.openapi_examples import Examples, find_examples
from tileserver.catalogue.coverage import UNREACHED
from tileserver.catalogue.layers import Source
from tileserver.middleware.api_keys import with_key

Json = dict[str, Any]


class Topic(NamedTuple):
    """A group of routes: those whose path a pattern finds, and no topic before it."""

    name: str
    description: str
    pattern: str


TOPICS = (
    Topic("Uncertainty", "How far synthesised detail may be from the truth.", r"/uncertainty/"),
    Topic("Tiles", "256 or 512 px, past the native zoom super-resolved.", r"/\{(z|level)\}/"),
    Topic("Maps", "Any area at any size, made from the tiles.", r"/(map|wms)$"),
    Topic(
        "Documents",
        "What clients read before they ask for tiles: TileJSON, styles, WMTS, OGC API Tiles.",
        r"/(tilejson\.json|style\.json|WMTSCapabilities\.xml|wmts|ImageServer|conformance)$"
        r"|/tiles$|/tiles/\{tileMatrixSetId\}$|^/tileMatrixSets",
    ),
    Topic("Values", "Of a place, or of a shape.", r"/(inspect|point|statistics)\b"),
    Topic(
        "Sources",
        "What there is, how it looks and how to embed it.",
        r"/(sources\.json|thumbnail\.webp|embed\.json|map\.html|info(\.geojson)?)$",
    ),
    Topic(
        "Imagery",
        "The source's own pixels, as titiler reads them: nothing is synthesised.",
        r"/(preview|bbox|feature)\b",
    ),
    Topic("Operation", "Health, load and metrics.", r"^/(healthz|readyz|metrics|status\.json)$"),
)


def add_openapi(app: FastAPI, seen: Callable[[Request], list[Source]]) -> None:
    """Register the document; seen: the sources that a client may see."""

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> JSONResponse:
        examples = _first_examples(seen(request))
        document = describe_routes(app.openapi(), examples, lambda url: with_key(url, request))
        headers = {"Cache-Control": "private, no-cache"}  # another client may see other sources
        return JSONResponse(document, headers=headers)


def topic_of(path: str) -> str:
    """The topic of a route."""
    return next((topic.name for topic in TOPICS if re.search(topic.pattern, path)), "Other")


def describe_routes(
    generated: Json, examples: Examples | None, linked: Callable[[str], str] = str
) -> Json:
    """FastAPI's document with topics, summaries and examples; examples None: without these.

    linked: an example's URL as a client may follow it, with its key.
    """
    document = deepcopy(generated)
    document["tags"] = [{"name": topic.name, "description": topic.description} for topic in TOPICS]
    document["paths"] = dict(sorted(document["paths"].items(), key=lambda one: one[0].count("/")))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["tags"] = [topic_of(path)]
            about = operation.get("description", "")
            operation["summary"] = summarise(about)
            if examples is None:
                continue
            _add_examples(path, operation, examples)
            if method == "get":
                url = linked(example_url(path, operation).removeprefix("/"))
                operation["description"] = f"{about}\n\nExample: [{url}]({url})"
    return document


def summarise(description: str) -> str:
    """The first sentence of a description, in one line and without its full stop."""
    sentence = re.split(r"(?<=\.)\s+(?=[A-Z])|\n\n", description.strip(), maxsplit=1)[0]
    return " ".join(sentence.split()).removesuffix(".")


def example_url(path: str, operation: Json) -> str:
    """The URL of an operation with the examples of its parameters."""
    query = []
    for parameter in operation.get("parameters", []):
        if "example" not in parameter:
            continue
        name, value = parameter["name"], quote(str(parameter["example"]), safe=",:")
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        else:
            query.append(f"{name}={value}")
    return f"{path}?{'&'.join(query)}" if query else path


def _add_examples(path: str, operation: Json, examples: Examples) -> None:
    for parameter in operation.get("parameters", []):
        of_query = parameter["in"] == "query"
        values = examples.query(path) if of_query else examples.path(path)
        if parameter["name"] in values:
            parameter["example"] = values[parameter["name"]]
    for body in operation.get("requestBody", {}).get("content", {}).values():
        body["example"] = examples.feature


def _first_examples(sources: list[Source]) -> Examples | None:
    """Of the first source that lies on web mercator."""
    for source in sources:
        try:
            return find_examples(source)
        except UNREACHED:
            continue
    return None
