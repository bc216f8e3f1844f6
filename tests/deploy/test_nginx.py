"""The nginx example before real servers: what it keeps, and which server a tile is sent to."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from morecantile import Tile

from tests.support.keys import hashed
from tests.support.metrics import read_metrics
from tests.support.nginx import nginx_before
from tests.support.server import configured, running
from tests.support.services import free_port
from tests.support.tiles import path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until

NATIVE = 19

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Three servers that answer with their number, behind nginx."""
    folder, ports = tmp_path_factory.mktemp("nginx"), [free_port() for _ in range(3)]
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 {number}; }} }}\n"
        for number, port in enumerate(ports)
    )
    with (
        nginx_before(folder, ports, servers) as url,
        httpx.Client(base_url=url, timeout=LIMIT_SECONDS) as client,
    ):
        yield client


def server_of(client: httpx.Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.text


def test_neighbouring_tiles_in_any_form_are_sent_to_one_server(replicas: httpx.Client) -> None:
    forms = (
        "/town/{z}/{x}/{y}.png",
        "/town/{z}/{x}/{y}@2x.webp?detail=0",
        "/town/tiles/WebMercatorQuad/{z}/{x}/{y}",
        "/town/uncertainty/tiles/WebMercatorQuad/{z}/{x}/{y}@2x.png",
    )
    for left, top in ((0, 0), (5, 995), (130_020, 99_995)):
        places = [(left + 4 * i, top + 4 * j) for i, j in product((0, 1), repeat=2)]
        paths = [form.format(z=18, x=x, y=y) for form in forms for x, y in places]
        assert len({server_of(replicas, path) for path in paths}) == 1


def test_blocks_of_tiles_are_spread_over_all_servers(replicas: httpx.Client) -> None:
    blocks = product(range(130_000, 130_050, 5), range(99_000, 99_050, 5))
    found = {(x, y): server_of(replicas, f"/town/18/{x}/{y}.png") for x, y in blocks}
    counts = Counter(found.values())
    assert len(counts) == 3
    assert min(counts.values()) > 10  # of 100
    tens = [(x, y) for x, y in found if x % 10 == y % 10 == 0]
    assert any(found[x, y] != found[x + 5, y] for x, y in tens)
    assert any(found[x, y] != found[x, y + 5] for x, y in tens)


def test_other_zooms_sources_and_documents_are_spread_too(replicas: httpx.Client) -> None:
    for form in ("/town/{}/7/7.png", "/town{}/18/7/7.png", "/town{}/tilejson.json"):
        assert len({server_of(replicas, form.format(n)) for n in range(10, 23)}) > 1


@pytest.mark.slow
def test_behind_the_nginx_example_tiles_are_kept_and_links_are_public(
    config: Path, tmp_path: Path, middle_tile: Callable[[int], Tile]
) -> None:
    settings = {
        "access": {
            "trusted_proxies": ["127.0.0.1"],
            "keys": {"town": {"sha256": hashed("town key"), "sources": ["truth"]}},
            "public": ["yellowstone"],
            "figures_public": True,
        },
        "log": {"requests": "all"},
        "cache": {"max_age_seconds": 5},
    }
    proxied = configured(config, tmp_path, **settings)
    path = path_of(middle_tile(NATIVE))
    private = path_of(middle_tile(NATIVE), "truth")
    with running("--config", proxied, cache=tmp_path / "cache") as server:
        port = int(server.url.rpartition(":")[2])
        with (
            nginx_before(tmp_path, [port]) as url,
            httpx.Client(base_url=url, timeout=LIMIT_SECONDS) as client,
        ):
            forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
            document = client.get("/yellowstone/tilejson.json", headers=forged).json()
            assert document["tiles"][0].startswith(f"{url}/yellowstone/")
            named = client.get("/yellowstone/tilejson.json", headers={"Host": "maps.example"})
            assert named.json()["tiles"][0].startswith("http://maps.example/yellowstone/")

            first = client.get(path)
            assert first.headers["x-cache"] == "MISS"
            wait_until(lambda: client.get(path).headers["x-cache"] == "HIT")
            second = client.get(path)
            assert first.content == second.content
            assert "content-encoding" not in second.headers
            etag = first.headers["etag"]
            assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
            wait_until(lambda: client.get(path).headers["x-cache"] == "STALE")
            again = re.compile(rf"GET {path} 304 ")
            wait_until(lambda: again.search(server.log.read_text()), "nginx asks again by ETag")
            wait_until(lambda: client.get(path).headers["x-cache"] == "HIT")

            for _ in range(2):
                answer = client.get(private, headers={"X-API-Key": "town key"})
                assert (answer.status_code, answer.headers["x-cache"]) == (200, "BYPASS")
            assert client.get(private).status_code == 401
            assert client.get("/metrics").status_code == 200
        assert "6.6.6.6" not in server.log.read_text()


@pytest.mark.slow
def test_neighbours_are_drawn_by_one_of_two_servers_and_by_the_other_once_it_is_gone(
    config: Path, tmp_path: Path, middle_tile: Callable[[int], Tile]
) -> None:
    middle = middle_tile(NATIVE + 1)
    left, top = middle.x - middle.x % 5, middle.y - middle.y % 5
    block = [Tile(left + i, top + j, middle.z) for i, j in product((0, 2, 4), repeat=2)]
    proxied = configured(config, tmp_path, access={"trusted_proxies": ["127.0.0.1"]})

    def drawn(client: httpx.Client) -> float:
        return read_metrics(client).get(("overzoom_computed_tiles_total", "super-resolved"), 0)

    with (
        running("--config", proxied, cache=tmp_path / "first") as first,
        running("--config", proxied, cache=tmp_path / "second") as second,
    ):
        servers = {int(each.url.rpartition(":")[2]): each for each in (first, second)}
        with (
            nginx_before(tmp_path, [*servers]) as url,
            httpx.Client(base_url=url, timeout=LIMIT_SECONDS) as client,
        ):
            assert {client.get(path_of(tile)).status_code for tile in block} == {200}
            counts = {port: drawn(each.client) for port, each in servers.items()}
            assert sorted(counts.values()) == [0, len(block)]
            busy, idle = sorted(servers, key=counts.__getitem__, reverse=True)
            servers[busy].process.kill()
            servers[busy].process.wait()
            paths = [path_of(tile, format="webp") for tile in block[:3]]  # not in nginx's cache
            assert {client.get(path).status_code for path in paths} == {200}
            assert drawn(servers[idle].client) == len(paths)
