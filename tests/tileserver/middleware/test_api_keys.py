"""API keys: which key grants which source, and what is hidden without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.support.asking import Answer, ask, scope_of
from tests.support.keys import hashed
from tileserver.app import make_app
from tileserver.middleware.api_keys import ApiKeys, grant_of, with_key
from tileserver.middleware.stack import PAGES
from tileserver.settings.operation import AccessSettings
from tileserver.settings.server import Settings
from tileserver.settings.sources import SERVER_PAGES

SETTINGS = AccessSettings.model_validate(
    {
        "keys": {
            "town": {"sha256": hashed("town key"), "sources": ["streets"]},
            "owner": {"sha256": hashed("owner key")},
        },
        "public": ["park"],
    }
)


async def tile(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Cache-Control": "public, max-age=60", "Vary": "Origin"}
    await PlainTextResponse(grant_of(scope).name, headers=headers)(scope, receive, send)


def got(url: str, settings: AccessSettings = SETTINGS, **headers: str) -> Answer:
    return asyncio.run(ask(ApiKeys(tile, settings, SERVER_PAGES | {""}), scope_of(url, **headers)))


@pytest.mark.parametrize(
    ("url", "key", "status"),
    [
        ("/park/1/0/0.png", None, 200),
        ("/park/1/0/0.png", "town key", 200),
        ("/park/1/0/0.png", "no such key", 401),
        ("/streets/1/0/0.png", None, 401),
        ("/streets/1/0/0.png", "town key", 200),
        ("/streets/1/0/0.png", "town kez", 401),
        ("/streets/1/0/0.png", "x" * 300, 401),
        ("/streets/1/0/0.png", "", 401),
        ("/cellar/1/0/0.png", "town key", 404),
        ("/cellar/1/0/0.png", "owner key", 200),
        ("/nothing/1/0/0.png", None, 401),
        ("/nothing/1/0/0.png", "town key", 404),
        ("/", None, 200),
        ("/viewer/viewer.js", None, 200),
        ("/healthz", None, 200),
        ("/sources.json", None, 200),
        ("/metrics", None, 401),
        ("/metrics", "town key", 200),
        ("/status.json", None, 401),
        ("//streets/1/0/0.png", None, 200),  # routes to nothing: starlette has no empty element
        ("/%73treets/1/0/0.png", None, 401),
    ],
)
def test_a_key_opens_its_sources_however_it_is_given(
    url: str, key: str | None, status: int
) -> None:
    if key is None:
        assert got(url).status == status
        return
    assert got(url, authorization=f"Bearer {key}").status == status
    assert got(url, x_api_key=key).status == status
    assert got(f"{url}?key={key.replace(' ', '+')}").status == (status if key else got(url).status)


def test_a_source_that_there_is_not_looks_like_one_that_is_not_yours() -> None:
    for key in (None, "town key"):
        headers = {} if key is None else {"x_api_key": key}
        mine, none = (got(f"/{id}/1/0/0.png", SETTINGS, **headers) for id in ("cellar", "nothing"))
        assert (mine.status, mine.content) == (none.status, none.content)
        assert mine.headers == none.headers


def test_what_needs_a_key_is_kept_in_no_shared_cache() -> None:
    public, private = got("/park/1/0/0.png"), got("/streets/1/0/0.png", x_api_key="town key")
    assert public.headers["cache-control"] == "public, max-age=60"
    assert public.headers["vary"] == "Origin"
    assert private.headers["cache-control"] == "private, max-age=60"
    assert private.headers["vary"] == "Origin, Authorization, X-API-Key"
    refused = got("/streets/1/0/0.png")
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_figures_can_be_public() -> None:
    settings = SETTINGS.model_copy(update={"figures_public": True})
    assert got("/metrics", settings).status == 200
    assert got("/streets/1/0/0.png", settings).status == 401


def test_links_carry_the_key_of_the_query_alone() -> None:
    scope = scope_of("/a/tilejson.json?key=a+%26b", x_api_key="header key")
    request = Request(scope)
    assert with_key("http://h/a/{z}.png", request) == "http://h/a/{z}.png?key=a%20%26b"
    assert with_key("http://h/a/{z}.png?mode=x", request).endswith("?mode=x&key=a%20%26b")
    assert with_key("http://h/", Request(scope_of("/a", x_api_key="k"))) == "http://h/"


def test_a_root_path_is_cut_off_by_whole_elements() -> None:
    app = ApiKeys(tile, SETTINGS, SERVER_PAGES)
    for path, status in (("/x/park/0/0/0.png", 200), ("/xpark/0/0/0.png", 401)):
        scope = {**scope_of(path), "root_path": "/x"}
        assert asyncio.run(ask(app, scope)).status == status


def test_every_page_of_the_server_is_known_as_one(app_settings: Callable[..., Settings]) -> None:
    """Else it would be taken for a source, and need a key; or a source could hide it."""
    paths = [getattr(route, "path", "") for route in make_app(app_settings()).routes]
    first = {path.removeprefix("/").partition("/")[0] for path in paths}
    literal = {element for element in first if not element.startswith("{")}
    assert {"viewer", "metrics", "healthz"} <= literal <= PAGES


def test_a_reference_is_named_to_those_who_may_see_it(
    app_settings: Callable[..., Settings],
) -> None:
    keys = {"owner": {"sha256": hashed("owner key")}}
    settings = app_settings(access={"keys": keys, "public": ["yellowstone"]})
    with TestClient(make_app(settings)) as client:
        for headers, expected in (({}, None), ({"X-API-Key": "owner key"}, "truth")):
            answer = client.get("/sources.json", headers=headers)
            assert answer.json()[0]["reference"] == expected
            assert "private" in answer.headers["cache-control"]
            document = client.get("/yellowstone/tilejson.json", headers=headers).json()
            assert document["overzoom"]["reference"] == expected
