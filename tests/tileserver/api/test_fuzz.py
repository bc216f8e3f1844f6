"""Bad input: a short run of `make fuzz`, and that no request makes the server look elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.benchmarks import hostile
from tests.benchmarks import judge as judging
from tests.benchmarks.fuzz import fuzz
from tests.benchmarks.judge import Judge, breaches
from tests.support.server import Service
from tests.support.waiting import LIMIT_SECONDS
from tileserver.api.parameters import Sizes, check_expression, check_reference_system
from tileserver.errors import OutOfRange

REQUESTS = 300


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests run beside these: how long an answer takes is `make fuzz`'s to judge."""
    monkeypatch.setattr(judging, "ANSWER_SECONDS", LIMIT_SECONDS)
    monkeypatch.setattr(judging, "MAP_SECONDS", LIMIT_SECONDS)


@pytest.mark.slow
def test_no_answer_to_bad_input_breaks_a_rule(server: Service) -> None:
    judge = fuzz(server, REQUESTS)
    assert judge.statuses.total() >= REQUESTS
    assert len(judge.statuses) >= 5
    assert not judge.breaches


@pytest.mark.parametrize(
    ("status", "headers", "content", "breach"),
    [
        (500, {}, b'{"detail":"internal error"}', "status 500"),
        (422, {}, b'{"detail":"/srv/scene"}', "not of the one shape"),
        (422, {}, b'{"detail":"no such source","at":"/home/someone"}', "reveals the machine"),
        (200, {"content-type": "text/html"}, b"Traceback (most recent call last)", "reveals"),
        (400, {}, b'{"detail":"pydantic says no"}', "names a library"),
        (404, {"access-control-allow-origin": "else"}, b'{"detail":"not found"}', "without CORS"),
    ],
)
def test_the_rules_notice(
    status: int, headers: dict[str, str], content: bytes, breach: str
) -> None:
    allowed = {"content-type": "application/json", "access-control-allow-origin": "*"}
    found = breaches(hostile.Request("/"), status, {**allowed, **headers}, content)
    assert any(breach in one for one in found)


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A port that nobody has a reason to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        yield listener


@pytest.mark.slow
@pytest.mark.parametrize("route", ["preview.png", "info", "tilejson.json", "0/0/0.png", "tiles"])
def test_no_parameter_makes_the_server_connect_to_another(
    server: Service, canary: socket.socket, route: str
) -> None:
    judge, port = Judge(server.url), canary.getsockname()[1]
    names = ("url", "path", "crs", "dst_crs", "coord_crs", "colormap", "expression", "assets")
    addresses = [one for one in hostile.FILES if "127.0.0.1:9" in one]
    assert len(addresses) > 5
    for address in addresses:
        written = quote(address.replace("127.0.0.1:9", f"127.0.0.1:{port}"))
        for name in names:
            judge.ask(hostile.Request(f"/yellowstone/{route}?{name}={written}"))
    assert not judge.breaches
    with pytest.raises(TimeoutError):
        canary.accept()


@pytest.mark.parametrize("text", ["(b1-b2)/(b1+b2)", "b1**2;sqrt(b2)", "where(b1>100,b1,0)", "-b1"])
def test_arithmetic_of_bands_is_allowed(text: str) -> None:
    check_expression(text)


@pytest.mark.parametrize(
    "text",
    ["9**9**9**9", "b1+9**9**9", "(9**9)**9*b1", "b1**99", "b1**b2**b3", "'a'*99999999", "b1;" * 9],
)
def test_expressions_that_burn_are_not(text: str) -> None:
    with pytest.raises(OutOfRange):
        check_expression(text)


def test_reference_systems_are_named_by_their_codes() -> None:
    for code in ("EPSG:3857", "epsg:4326", "OGC:CRS84", "ESRI:54009", "urn:ogc:def:crs:EPSG::3857",
                 "http://www.opengis.net/def/crs/EPSG/0/3857"):  # fmt: skip
        check_reference_system(code)
    for text in [*hostile.FILES, "", "PROJCS[]", "http://www.opengis.net/x/EPSG", "EPSG:1\n"]:
        with pytest.raises(OutOfRange):
            check_reference_system(text)


def test_a_long_thin_box_is_no_endless_image(server: Service) -> None:
    answer = server.get("/yellowstone/bbox/-110.644,44.955,-110.64399999,44.957.png?width=1024")
    assert answer.status_code == 200
    assert Sizes(width=512).max_size == 512
    assert Sizes(width=512, height=100).max_size is None


def test_more_shapes_than_can_be_answered_quickly_are_refused(server: Service) -> None:
    shape = hostile.feature(-110.6445, 44.9552, -110.6425, 44.9565)
    escaped = shape.replace('"Feature"', '"\\u0046eature"')
    assert escaped != shape
    for one, count, status in ((shape, 8, 200), (shape, 9, 413), (escaped, 9, 413)):
        body = f'{{"type":"FeatureCollection","features":[{",".join([one] * count)}]}}'
        answer = server.client.post(
            "/yellowstone/statistics?max_size=64",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == status
