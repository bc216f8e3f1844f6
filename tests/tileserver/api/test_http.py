"""What a client sees: routes, headers, errors."""

from __future__ import annotations

import socket
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from engine.imagery import Imagery, Pixels, read_many
from engine.window import Window
from tests.support.metrics import read_metrics
from tests.support.pictures import occupy_denoiser
from tests.support.server import Service, configured, serving
from tests.support.tiles import decoded, path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.app import make_app
from tileserver.settings.server import Settings
from tileserver.tiles import scheduler

NATIVE = 19
MakeSettings = Callable[..., Settings]


@pytest.mark.parametrize("format", ["png", "jpg", "jpeg", "webp"])
@pytest.mark.parametrize("zoom", [NATIVE - 2, NATIVE, NATIVE + 1])
def test_tiles_come_in_every_format_and_say_what_they_are(
    server: Service, middle_tile: Callable[[int], Tile], format: str, zoom: int
) -> None:
    answer = server.get(path_of(middle_tile(zoom), format=format))
    assert answer.status_code == 200
    subtype = "jpeg" if format.startswith("jp") else format
    assert answer.headers["content-type"] == f"image/{subtype}"
    assert decoded(answer.content).shape[:2] == (256, 256)
    made = zoom > NATIVE
    assert answer.headers["x-overzoom"] == ("super-resolved" if made else "native")
    assert ("x-overzoom-checkpoint" in answer.headers) == made
    assert "max-age=" in answer.headers["cache-control"]
    assert "cache;desc=" in answer.headers["server-timing"]


def test_both_kinds_of_address_give_the_same_tile(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    plain = server.get(path_of(tile))
    by_grid = server.get(f"/yellowstone/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png")
    assert plain.content == by_grid.content
    assert plain.headers["etag"] == by_grid.headers["etag"]
    assert plain.headers["x-overzoom-scale"] == "1.9"
    assert plain.headers["x-overzoom-imagery-metres"] == "0.2001"  # UTM shrinks lengths
    assert plain.headers["x-overzoom-pixel-metres"] == "0.1056"
    assert plain.headers["x-overzoom-steps"] == "2"
    assert plain.headers["x-overzoom-noise-seed"] == "0"


def test_a_client_that_has_the_tile_is_told_so_before_any_work(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    app = make_app(app_settings())
    path = path_of(middle_tile(NATIVE + 1))
    with TestClient(app) as client:
        etag = client.get(path).headers["etag"]
        assert etag.startswith('"')

        async def refuse(*_: object) -> None:
            raise AssertionError("a 304 needs no lookup and no drawing")

        app.state.tiles.render = refuse
        for header in (etag, f'"other", W/{etag}', "*"):
            answer = client.get(path, headers={"If-None-Match": header})
            assert answer.status_code == 304
            assert answer.headers["etag"] == etag
            assert answer.content == b""


def test_etags_follow_everything_that_changes_pixels(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    deep, native = path_of(middle_tile(NATIVE + 1)), path_of(middle_tile(NATIVE - 1))
    tags = []
    for overrides in ({}, {"noise_seed": 1}, {"steps": 3}, {"detail": 0.3}):
        with TestClient(make_app(app_settings(**overrides))) as client:
            asked = {"If-None-Match": "*"}  # which is answered before anything is drawn
            answers = [client.get(path, headers=asked) for path in (deep, native)]
            tags.append([answer.headers["etag"] for answer in answers])
    assert len({deep_tag for deep_tag, _ in tags}) == 4
    assert len({native_tag for _, native_tag in tags}) == 1


@pytest.mark.usefixtures("bundled_checkpoint")
def test_interpolated_tiles_are_other_tiles(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    with TestClient(make_app(app_settings())) as client:
        made, plain = client.get(path), client.get(f"{path}?mode=interpolated")
    assert plain.headers["x-overzoom"] == "interpolated"
    assert plain.headers["etag"] != made.headers["etag"]
    sharp, soft = (
        np.abs(np.diff(decoded(a.content).astype(float), axis=1)).mean() for a in (made, plain)
    )
    assert sharp > 1.1 * soft


def test_tilejson_says_what_is_native_and_what_is_served(server: Service) -> None:
    for path in ("/yellowstone/tilejson.json", "/yellowstone/WebMercatorQuad/tilejson.json"):
        document = server.get(path).json()
        assert document["maxzoom"] == NATIVE + 3
        assert document["overzoom"]["native_maxzoom"] == NATIVE
        assert document["overzoom"]["full_resolution_zoom"] == NATIVE
        assert document["overzoom"]["imagery_pixel_metres"] == pytest.approx(0.2, rel=0.001)
        assert document["overzoom"]["native_pixel_metres"] == pytest.approx(0.2112, rel=0.001)
        assert document["overzoom"]["steps"] == 2
        assert document["overzoom"]["noise_seed"] == 0
        assert document["overzoom"]["checkpoint"] == "small"
        assert document["overzoom"]["reference"] == "truth"
        west, south, east, north = document["bounds"]
        tile = Tile(0, 0, 0)
        url = document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
        assert west < east
        assert south < north
        assert server.client.get(url).status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/yellowstone/info", "application/json"),
        ("/yellowstone/statistics", "application/json"),
        ("/yellowstone/point/-110.6435,44.956", "application/json"),
        ("/yellowstone/preview.png", "image/png"),
        ("/yellowstone/tiles", "application/json"),
        ("/yellowstone/tiles/WebMercatorQuad", "application/json"),
        ("/yellowstone/WebMercatorQuad/map.html", "text/html; charset=utf-8"),
        ("/api.html", "text/html; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/sources.json", "application/json"),
        ("/healthz", "application/json"),
    ],
)
def test_the_rest_of_titilers_routes_is_there(
    server: Service, demo: Path, path: str, kind: str
) -> None:
    answer = server.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert str(demo) not in answer.text


def test_wmts_capabilities_reach_past_native(server: Service) -> None:
    document = ET.fromstring(server.get("/yellowstone/WMTSCapabilities.xml").text)
    names = {"w": "http://www.opengis.net/wmts/1.0"}
    matrices = [
        limit.text
        for link in document.iterfind(".//w:TileMatrixSetLink", names)
        if link.findtext("w:TileMatrixSet", namespaces=names) == "WebMercatorQuad"
        for limit in link.iterfind(".//w:TileMatrixLimits/w:TileMatrix", names)
    ]
    assert str(NATIVE + 3) in matrices
    assert str(NATIVE + 4) not in matrices


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/nowhere/3/1/1.png", 404, "no such source"),
        ("/nowhere/info", 404, "no such source"),
        ("/yellowstone/19/5/5.png", 404, "tile lies outside the source"),
        ("/yellowstone/3/900/5.png", 404, "tile lies outside the source"),
        (
            "/yellowstone/23/0/0.png",
            404,
            "z: 0 to 22 for this source and size of tiles",
        ),
        (
            "/yellowstone/5000/0/0.png",
            404,
            "z: Input should be less than or equal to 30",
        ),
        (
            "/yellowstone/-1/0/0.png",
            404,
            "z: Input should be greater than or equal to 0",
        ),
        (
            "/yellowstone/3/1/1.gif",
            422,
            "format: Input should be 'png', 'jpg', 'jpeg', 'webp', 'avif', 'npy' or 'tif'",
        ),
        (
            "/yellowstone/3/x/1.png",
            404,
            "x: Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            "/yellowstone/0/0/0.png?mode=magic",
            422,
            "mode: Input should be 'super-resolved' or 'interpolated'",
        ),
        (
            "/yellowstone/0/0/0.png?tilesize=4096",
            422,
            "tilesize: 256, or 512, which @2x stands for",
        ),
        (
            "/yellowstone/tiles/GNOSISGlobalGrid/1/0/0.png",
            400,
            "tile matrix set does not double from zoom to zoom",
        ),
        ("/yellowstone/point/0,0", 404, "point lies outside the source"),
        ("/yellowstone/point/999,999", 422, "lon: -180 to 180 degrees"),
        (
            "/yellowstone/point/500,nan",
            422,
            "lat: a finite number",
        ),
        (
            "/yellowstone/preview/60000x60000.png",
            422,
            "width: 1 to 2048 pixels",
        ),
        (
            "/yellowstone/preview.png?max_size=9999",
            422,
            "max_size: 1 to 2048 pixels",
        ),
        (
            "/yellowstone/preview.png?bidx=9",
            422,
            "query: not usable with this source",
        ),
        (
            "/yellowstone/bbox/0,0,0,0.png",
            422,
            "minx: less than maxx",
        ),
        (
            "/yellowstone/bbox/inf,0,1,1.png",
            422,
            "minx: a finite number",
        ),
        ("/nothing/of/this/kind/at/all", 404, "not found"),
    ],
)
def test_bad_requests_are_told_what_is_wrong_and_what_is_allowed(
    server: Service, path: str, status: int, text: str
) -> None:
    answer = server.get(path, Origin="http://elsewhere.example")
    assert (answer.status_code, answer.json()) == (status, {"detail": text})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["expression", "algorithm", "nodata", "unscale", "resampling", "bands", "Detail"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/yellowstone/{z}/{x}/{y}.png",
        "/yellowstone/tiles/WebMercatorQuad/{z}/{x}/{y}",
        "/yellowstone/uncertainty/tiles/WebMercatorQuad/{z}/{x}/{y}.png",
        "/yellowstone/tilejson.json",
    ],
)
def test_parameters_that_a_route_does_not_take_are_refused_by_name(
    server: Service, middle_tile: Callable[[int], Tile], path: str, name: str
) -> None:
    tile = middle_tile(NATIVE + 1)
    answer = server.get(f"{path.format(z=tile.z, x=tile.x, y=tile.y)}?bidx=1&{name}=1")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{name}: unknown parameter; allowed: bidx, ")
    assert "request" not in answer.json()["detail"]


def test_no_url_of_a_request_is_ever_opened(server: Service) -> None:
    for path, status in (
        ("/yellowstone/info?url=/etc/passwd", 200),
        ("/yellowstone/0/0/0.png?url=file:///etc", 422),
    ):
        answer = server.get(path)
        assert answer.status_code == status
        assert "root:" not in answer.text


def test_ground_without_data_is_a_transparent_tile(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    edge = middle_tile(NATIVE)
    answer = None
    while (found := server.get(path_of(edge))).status_code == 200:
        answer, edge = found, Tile(edge.x - 1, edge.y, edge.z)
    assert answer is not None
    assert found.status_code == 404
    levels = decoded(answer.content)
    assert levels.shape[2] == 4
    assert 0 < (levels[..., 3] == 255).mean() < 1
    assert not levels[levels[..., 3] == 0].any()


def test_a_tile_asked_for_by_many_is_drawn_once(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    app = make_app(app_settings())
    scheduler = app.state.tiles.scheduler
    asked = []
    draw = scheduler.draw

    async def counted(picture: object, window: object, source: object) -> object:
        asked.append(window)
        return await draw(picture, window, source)

    scheduler.draw = counted
    with TestClient(app) as client, ThreadPoolExecutor(12) as pool:
        path = path_of(middle_tile(NATIVE + 1))
        answers = list(pool.map(lambda _: client.get(path).content, range(12)))
    assert len(set(answers)) == 1
    assert len(asked) == 1


def test_a_tile_is_drawn_again_after_nothing_but_a_lost_cache(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile], tmp_path: Path
) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    timings, contents = [], []
    for _ in range(2):
        with TestClient(make_app(app_settings())) as client:
            for _ in range(2):
                answer = client.get(path)
                timings.append(answer.headers["server-timing"].split(",")[0])
                contents.append(answer.content)
    assert timings == [f'cache;desc="{tier}"' for tier in ("miss", "memory", "disk", "memory")]
    for file in (tmp_path / "cache").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-7])
    with TestClient(make_app(app_settings())) as client:
        answer = client.get(path)
        assert 'desc="miss"' in answer.headers["server-timing"]
        contents.append(answer.content)
    assert len(set(contents)) == 1


def test_a_full_queue_answers_503_and_health_goes_on(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    app = make_app(app_settings(queue_tiles=1, merged_tiles=1))
    middle = middle_tile(NATIVE + 2)
    paths = [path_of(Tile(middle.x + i, middle.y, middle.z)) for i in range(8)]
    with TestClient(app) as client, ThreadPoolExecutor(8) as pool:
        with occupy_denoiser(client):
            waiting = [pool.submit(client.get, path) for path in paths]
            wait_until(lambda: sum(future.done() for future in waiting) == len(paths) - 1)
            assert client.get("/healthz").status_code == 200
        answers = [future.result() for future in waiting]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert {answer.headers["cache-control"] for answer in refused} == {"no-store"}


def test_an_address_with_the_tiles_version_may_be_kept_for_good(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    template = server.get("/yellowstone/tilejson.json").json()["tiles"][0]
    url = template.format(z=tile.z, x=tile.x, y=tile.y)
    assert "immutable" in server.client.get(url).headers["cache-control"]
    plain = server.get(path_of(tile))
    assert plain.headers["cache-control"] == "public, max-age=3600"
    outdated = server.get(f"{path_of(tile)}?v=0123456789abcdef")
    assert outdated.headers["cache-control"] == "public, max-age=3600"
    assert outdated.headers["etag"] == plain.headers["etag"]


@pytest.mark.filterwarnings("ignore::morecantile.errors.PointOutsideTMSBounds")
def test_documents_name_the_public_address(app_settings: MakeSettings) -> None:
    app = make_app(app_settings(public_url="https://maps.example.org/deep/"))
    with TestClient(app) as client:
        document = client.get("/yellowstone/tilejson.json").json()
        assert document["tiles"][0].startswith("https://maps.example.org/deep/yellowstone/{z}/")
        capabilities = client.get("/yellowstone/WMTSCapabilities.xml").text
        assert "https://maps.example.org/deep/yellowstone/tiles/" in capabilities
        assert "http://testserver" not in capabilities
        servers = client.get("/openapi.json").json()["servers"]
        assert servers == [{"url": "https://maps.example.org/deep"}], (
            "the page of routes asks there"
        )


def test_a_proxy_may_leave_the_public_urls_path_on_requests(app_settings: MakeSettings) -> None:
    settings = app_settings(public_url="https://maps.example.org/deep/")
    with TestClient(make_app(settings)) as client:
        for path in ("/yellowstone/tilejson.json", "/deep/yellowstone/tilejson.json"):
            document = client.get(path).json()
            assert document["tiles"][0].startswith("https://maps.example.org/deep/yellowstone/{z}/")
        assert client.get("/deep").status_code == client.get("/deep/").status_code == 200
        assert client.get("/deeper/tilejson.json").status_code == 404
    same = app_settings(public_url="https://maps.example.org/yellowstone")
    with TestClient(make_app(same)) as client:
        assert client.get("/yellowstone/tilejson.json").status_code == 200, "it is the source's"


def test_pages_may_send_headers_of_their_own(server: Service) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Origin": "https://map.example"}
    asked["Access-Control-Request-Headers"] = "x-gateway-trace,range,authorization"
    answer = server.client.options("/yellowstone/tilejson.json", headers=asked)
    assert answer.status_code == 200
    assert "x-gateway-trace" in answer.headers["access-control-allow-headers"]


def test_a_slash_at_an_addresss_end_leads_nowhere(server: Service) -> None:
    for path in ("/yellowstone/tilejson.json/", "/sources.json/", "/yellowstone/tiles/"):
        assert server.client.get(path, follow_redirects=False).status_code == 404
    assert "servers" not in server.get("/openapi.json").json()


def test_a_new_server_never_meets_an_old_page(server: Service) -> None:
    for accept in ("text/html", "application/json"):
        headers = server.get("/", Accept=accept).headers
        assert "no-cache" in headers["cache-control"]
        assert "Accept" in headers["vary"].split(", ")
    for page in ("/", "/api.html", "/yellowstone/WebMercatorQuad/map.html"):
        answer = server.get(page)
        assert answer.headers["cache-control"] == "no-cache"
        again = server.client.get(page, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers.get("vary") == answer.headers.get("vary")


def test_a_busy_server_may_answer_with_the_interpolated_tile(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    app = make_app(app_settings(when_busy="interpolate", queue_tiles=1, merged_tiles=1))
    middle = middle_tile(NATIVE + 2)
    paths = [path_of(Tile(middle.x + i - 3, middle.y, middle.z)) for i in range(8)]
    with TestClient(app) as client, ThreadPoolExecutor(8) as pool:
        with occupy_denoiser(client):
            waiting = [pool.submit(client.get, path) for path in paths]
            wait_until(lambda: sum(future.done() for future in waiting) == len(paths) - 1)
        answers = [future.result() for future in waiting]
        fallbacks = [
            (path, answer)
            for path, answer in zip(paths, answers, strict=True)
            if "x-overzoom-fallback" in answer.headers
        ]
        assert 0 < len(fallbacks) < len(paths)
        path, answer = fallbacks[0]
        assert answer.headers["x-overzoom"] == "interpolated"
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        assert answer.content == client.get(f"{path}?mode=interpolated").content
        made = client.get(path)
        assert made.headers["x-overzoom"] == "super-resolved"
        assert made.content != answer.content
    assert {answer.status_code for answer in answers} <= {200, 503}


def test_tiles_for_viewers_that_have_left_are_not_drawn(
    config: Path,
    tmp_path: Path,
    middle_tile: Callable[[int], Tile],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = configured(config, tmp_path, merged_tiles=1, deadline_seconds=300)
    middle = middle_tile(NATIVE + 2)
    tiles = [
        Tile(middle.x + 2 * i, middle.y + 2 * j, middle.z) for i in range(4) for j in (0, 1, 2)
    ]
    with serving(apart, tmp_path / "cache") as server:
        gate, drawn = Event(), list[Window]()

        def draw(picture: Imagery, windows: Sequence[Window], source: Imagery) -> list[Pixels]:
            drawn.extend(windows)
            assert gate.wait(LIMIT_SECONDS)
            return read_many(picture, windows, source)

        monkeypatch.setattr(scheduler, "read_many", draw)

        def count(name: str) -> float:
            return sum(v for key, v in read_metrics(server.client).items() if key[0] == name)

        host, port = server.client.base_url.host, server.client.base_url.port
        leaving = []
        for tile in tiles:
            connection = socket.create_connection((host, port or 80))
            connection.sendall(f"GET {path_of(tile)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            leaving.append(connection)
        waiting = len(tiles) - 1  # one is being drawn
        wait_until(lambda: count("overzoom_queue_windows") == waiting)
        for connection in leaving:
            connection.close()
        wait_until(lambda: count("overzoom_disconnected_windows_total") == waiting)
        gate.set()
        assert server.get(path_of(tiles[0])).status_code == 200
        assert len(drawn) in (1, 2), "what was begun, and what was asked for anew"


def test_head_says_what_get_would(server: Service, middle_tile: Callable[[int], Tile]) -> None:
    for path in (path_of(middle_tile(NATIVE + 1)), "/yellowstone/tilejson.json", "/healthz"):
        got, headed = server.get(path), server.client.head(path)
        assert headed.status_code == 200
        assert headed.content == b""
        for header in ("etag", "content-length", "content-type", "x-overzoom"):
            assert headed.headers.get(header) == got.headers.get(header)
