"""The middleware on a small application: correlation ids, log lines, headers, size limits."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from starlette.responses import HTMLResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message

from tests.support.asking import scope_of
from tests.support.keys import hashed
from tileserver.errors import OutsideSource
from tileserver.metrics import Metrics, add_metrics
from tileserver.middleware.error_handlers import add_error_handlers
from tileserver.middleware.guard import BODY_BYTES, PART_BYTES, URL_BYTES, Guard
from tileserver.middleware.logs import REQUEST_ID, formatter, with_request_id
from tileserver.middleware.request_log import note_pixels
from tileserver.middleware.stack import add_middleware
from tileserver.settings.basemap import BasemapSettings
from tileserver.settings.operation import LogSettings
from tileserver.settings.server import Settings

ORIGIN = {"Origin": "http://elsewhere.example"}
KEYS = {"keys": {"town": {"sha256": hashed("town key"), "sources": ["streets"]}}}


def small_app(**settings: object) -> FastAPI:
    app, metrics = FastAPI(docs_url=None), Metrics()
    add_middleware(app, Settings.model_validate(settings), metrics)
    add_error_handlers(app)
    add_metrics(app, metrics)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>a page</p>")

    @app.get("/{source}/tile.png")
    async def tile(source: str, request: Request) -> Response:
        note_pixels(request, "native", "disk")
        return Response(REQUEST_ID.get(), media_type="image/png")

    @app.get("/{source}/fault")
    async def fault(source: str) -> Response:
        raise RuntimeError("/secret/path of the machine")

    @app.get("/{source}/outside")
    async def outside(source: str) -> Response:
        raise OutsideSource

    @app.post("/{source}/feature")
    async def feature(source: str, request: Request) -> int:
        return len(await request.body())

    return app


@contextmanager
def logged(settings: LogSettings) -> Iterator[Callable[[], list[str]]]:
    """The lines that are logged meanwhile, as the process would write them."""
    stream, logger = io.StringIO(), logging.getLogger("overzoom.access")
    handler = logging.StreamHandler(stream)
    handler.addFilter(with_request_id)
    handler.setFormatter(formatter(settings))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield lambda: stream.getvalue().splitlines()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_an_id_goes_from_the_request_through_the_code_to_the_answer() -> None:
    client = TestClient(small_app())
    answer = client.get("/a/tile.png", headers={"X-Request-ID": "my.own-id_1"})
    assert answer.headers["x-request-id"] == answer.text == "my.own-id_1"
    for nonsense in ("a b", "x" * 65, "a\tb", ""):
        answer = client.get("/a/tile.png", headers={"X-Request-ID": nonsense})
        assert answer.headers["x-request-id"] == answer.text != nonsense
        assert len(answer.text) == 16
    assert client.get("/a/tile.png").text != client.get("/a/tile.png").text


def test_a_line_for_every_request_says_what_was_answered() -> None:
    client = TestClient(small_app(log={"requests": "all"}))
    with logged(LogSettings(format="json")) as lines:
        client.get("/a/tile.png", headers={"X-Request-ID": "this"})
        client.get("/a/outside")
        client.get("/a/fault")
    first, second, third = map(json.loads, lines())
    assert first["request_id"] == "this"
    assert (first["path"], first["status"], first["kind"]) == ("/a/tile.png", 200, "native")
    assert (first["tier"], first["client"], first["key"]) == ("disk", "testclient", "-")
    assert (first["level"], first["logger"]) == ("INFO", "overzoom.access")
    assert first["milliseconds"] >= 0
    assert (second["status"], second["kind"]) == (404, "other")
    assert third["status"] == 500


def test_no_key_and_no_forged_line_gets_into_the_log() -> None:
    client = TestClient(small_app(access=KEYS, log={"requests": "all"}))
    with logged(LogSettings()) as lines:
        for path in ("/streets/tile.png", "/streets/fault", "/none/x%0a%1b[31mINFO forged"):
            assert client.get(f"{path}?key=town+key").status_code in (200, 404, 500)
            client.get(path, headers={"X-API-Key": "town key"})
            client.get(path, headers={"Authorization": "Bearer town key"})
            client.get(path, headers={"X-API-Key": "wrong town key"})
    text = "\n".join(lines())
    assert len(lines()) == 12
    assert "town key" not in text
    assert "town+key" not in text
    assert "\x1b" not in text
    assert " town" in text, "the key's name is logged"


@pytest.mark.parametrize("format", ["text", "json"])
def test_whatever_a_message_holds_is_one_line_of_the_log(format: str) -> None:
    hostile, harmless = "a\nb\r\x1b[31m\x9b2J\u2028\x00", "größer als ×4"
    record = logging.makeLogRecord({"msg": "%s %s", "args": (hostile, harmless)})
    with_request_id(record)
    line = formatter(LogSettings.model_validate({"format": format})).format(record)
    assert line.isprintable()
    assert "\\n" in line
    if format == "text":
        assert line.endswith(rf"a\nb\r\x1b[31m\x9b2J\u2028\x00 {harmless}")


def test_the_lines_of_a_traceback_stay_lines() -> None:
    try:
        raise RuntimeError("what went wrong")
    except RuntimeError as error:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (type(error), error, None)})
    with_request_id(record)
    *_, last = formatter(LogSettings()).format(record).splitlines()
    assert last == "RuntimeError: what went wrong"


def test_clients_can_be_hashed() -> None:
    client = TestClient(small_app(log={"client": "hashed", "requests": "all"}))
    with logged(LogSettings(format="json")) as lines:
        client.get("/a/tile.png")
        client.get("/a/tile.png")
    one, two = (json.loads(line)["client"] for line in lines())
    assert one == two != "testclient"


def test_tiles_from_a_cache_are_not_told_of_unless_all_is() -> None:
    client = TestClient(small_app())
    with logged(LogSettings()) as lines:
        client.get("/a/tile.png")
        assert lines() == []
        client.get("/a/outside")
        client.get("/")
    assert len(lines()) == 2


def test_a_quiet_server_logs_no_requests() -> None:
    client = TestClient(small_app(log={"requests": "none"}))
    with logged(LogSettings()) as lines:
        client.get("/a/outside")
    assert lines() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [("/a/fault", 500), ("/a/outside", 404), ("/b/tile.png", 401), ("/none", 401)],
)
def test_a_script_elsewhere_may_read_errors_as_well(path: str, status: int) -> None:
    app = small_app(access={**KEYS, "public": ["a"]})
    answer = TestClient(app).get(path, headers=ORIGIN)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "secret" not in answer.text
    assert set(answer.json()) == {"detail"}


def test_a_script_elsewhere_may_send_its_key() -> None:
    answer = TestClient(small_app(access=KEYS)).options(
        "/streets/tile.png",
        headers={
            **ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "Authorization, X-API-Key",
        },
    )
    assert answer.status_code == 200
    assert "X-API-Key" in answer.headers["access-control-allow-headers"]


def test_pages_run_no_scripts_but_the_servers_own() -> None:
    client = TestClient(small_app())
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "content-security-policy" not in client.get("/a/tile.png").headers
    assert client.get("/a/tile.png").headers["referrer-policy"] == "no-referrer"


def test_urls_and_bodies_are_bounded_however_they_are_sent() -> None:
    client = TestClient(small_app())

    def parts(size: int) -> Iterator[bytes]:
        for _ in range(size // 1024):
            yield b"x" * 1024

    assert client.post("/a/feature", content=b"x" * BODY_BYTES).json() == BODY_BYTES
    assert client.post("/a/feature", content=parts(BODY_BYTES)).json() == BODY_BYTES
    for body in (b"x" * (BODY_BYTES + 1), parts(BODY_BYTES + 1024)):
        answer = client.post("/a/feature", content=body, headers=ORIGIN)
        assert (answer.status_code, answer.json()) == (413, {"detail": "request body too large"})
        assert answer.headers["access-control-allow-origin"] == "*"
    answer = client.get("/a/tile.png?colormap=" + "x" * URL_BYTES)
    assert (answer.status_code, answer.json()) == (414, {"detail": "URL too long"})


def test_requests_are_counted_with_what_they_were_answered() -> None:
    client = TestClient(small_app())
    for path in ("/a/tile.png", "/a/tile.png", "/a/fault", "/a/outside"):
        client.get(path)
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    counted = {
        (s.labels["kind"], s.labels["status"]): s.value
        for family in text_string_to_metric_families(answer.text)
        for s in family.samples
        if s.name == "overzoom_requests_total"
    }
    assert counted == {("native", "200"): 2, ("other", "500"): 1, ("other", "404"): 1}


def test_pages_may_ask_a_basemap_s_host_for_pictures_where_one_is_configured() -> None:
    url = "https://tiles.example:8443/a/{z}/{x}/{y}.png?key=b"
    client = TestClient(small_app(basemap={"url": url, "attribution": "Them", "maxzoom": 18}))
    policy = client.get("/").headers["content-security-policy"]
    assert "img-src 'self' https://tiles.example:8443 data:;" in policy
    assert "connect-src 'self';" in policy
    assert (
        "tiles.example" not in TestClient(small_app()).get("/").headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    "url", ["https://a.example/{z}/{x}.png", "https://a;b/{z}/{x}/{y}", "ftp://a/{z}/{x}/{y}"]
)
def test_an_address_that_is_no_basemap_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        BasemapSettings(url=url, attribution="Them")


def test_of_a_large_answer_no_part_is_sent_before_the_client_has_taken_the_one_before() -> None:
    content = bytes(range(256)) * (3 * PART_BYTES // 256) + b"end"
    parts = list[Message]()

    async def scenario() -> None:
        taken = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                parts.append(message)
                await taken.wait()

        answering = asyncio.create_task(Guard(Response(content))(scope_of("/"), never, send))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(parts) == 1
        assert not answering.done(), "the request holds what it has"
        taken.set()
        await answering

    asyncio.run(scenario())
    assert b"".join(part["body"] for part in parts) == content
    assert [part.get("more_body", False) for part in parts] == [True, True, True, False]
    assert max(len(part["body"]) for part in parts) == PART_BYTES


def test_what_says_nothing_of_caches_is_revalidated_and_no_error_is_stored() -> None:
    with TestClient(small_app()) as client:
        for path, control in (("/", "no-cache"), ("/metrics", "no-cache"), ("/a/b/c", "no-store")):
            assert client.get(path).headers["cache-control"] == control
        assert client.put("/").headers["cache-control"] == "no-store"


def test_every_answer_says_that_any_page_may_read_it() -> None:
    with TestClient(small_app()) as client:
        for headers in ({}, ORIGIN):
            answer = client.get("/streets/tile.png", headers=headers)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert "vary" not in answer.headers, "caches keep one answer for all pages"


async def never() -> Message:
    raise AssertionError("there is no body")
