"""`make fuzz`: bad input by the thousand against a real server of the demo scene.

It also serves rasters of every kind of values and number of bands, in files with odd names. A
quarter of the requests comes from schemathesis (the OpenAPI document, valid and invalid), a quarter
from hypothesis (addresses of tiles), a quarter asks every source for what it may or may not be able
to show, a quarter is written by hand (tests.benchmarks.hostile). Every
answer is held to the same rules; breaches are printed, and make the command fail.
"""

from __future__ import annotations

import argparse
import http.client
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import yaml
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

from tests.benchmarks import hostile
from tests.benchmarks.kinds import write_kinds
from tests.support.server import Service, running
from tests.support.tiles import WEB_MERCATOR

CONFIG = Path(__file__).parents[2] / "deploy" / "demo" / "overzoom.yaml"
ORIGIN = "https://elsewhere.example"
ANSWER_SECONDS = 10
# A snippet writes tiles.tif where whoever pastes it is.
SECRETS = re.compile(
    rb"(?:/(?:home|root|tmp|usr|opt|srv|mnt|proc|etc|var)/|[A-Z]:\\\\|deploy/demo"
    rb"|(?<!\})(?<! tiles)\.tif\b|root:x:|Traceback|File \"|\.py\b|site-packages)"
)
LIBRARIES = re.compile(
    rb"rasterio|rio.?tiler|gdal|\bproj\b|pydantic|fastapi|starlette|numpy|numexpr|torch|morecantile",
    re.IGNORECASE,
)
ROUTES = [
    *["{z}/{x}/{y}.{f}"] * 6,
    *["tiles/WebMercatorQuad/{z}/{x}/{y}@2x.{f}"] * 3,
    *["uncertainty/tiles/WebMercatorQuad/{z}/{x}/{y}.{f}"] * 2,
    *("tilejson.json", "uncertainty/tilejson.json", "uncertainty/legend.json"),
    *("inspect/{lon},{lat}", "point/{lon},{lat}", "statistics", "info", "info.geojson"),
    *("map?bbox={lon},{lat},{lon},{lat}&f={f}", "wms", "wmts", "style.json", "ImageServer"),
    *("preview.{f}", "thumbnail.webp", "embed.json", "WMTSCapabilities.xml", "tiles"),
]
"""Of a source; the first ones more often."""
REPORTED = re.compile(r"/wmts?(?:\?|$)")
"""Addresses of protocols whose errors are XML."""
REPORT = re.compile(
    rb"<\?xml .+<(ServiceException|ows:ExceptionText)[^>]*>[^<]{3,400}</.+", re.DOTALL
)
PARSER_ANSWER = b"Invalid HTTP request received."
"""What uvicorn answers to bytes that are no HTTP, before any application sees them."""


@dataclass
class Judge:
    """Sends requests, holds the answers to the rules and counts."""

    url: str
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)

    def ask(self, request: hostile.Request) -> None:
        """Send one request exactly as it is written, and judge the answer."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {"Origin": ORIGIN, "Connection": "close", **request.headers}
        began = time.perf_counter()
        try:
            connection.putrequest(
                request.method, request.target, "Host" in headers, "Accept-Encoding" in headers
            )
            if request.body is not None:
                headers["Content-Length"] = str(len(request.body))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            content = answer.read()
        except (BrokenPipeError, ConnectionResetError):
            return  # refused while the body was still on its way
        except (OSError, http.client.HTTPException) as error:
            self.breaches[f"{type(error).__name__}: {request.method} {request.target[:150]}"] += 1
            return
        finally:
            connection.close()
        self.seconds.append(time.perf_counter() - began)
        self.judge(request, answer.status, dict(answer.headers), content)

    def judge(
        self, request: hostile.Request, status: int, headers: Mapping[str, str], content: bytes
    ) -> None:
        self.statuses[status] += 1
        for breach in breaches(request, status, headers, content):
            self.breaches[f"{breach}: {request.method} {request.target[:150]}"] += 1
        if self.seconds[-1] > ANSWER_SECONDS:
            took = f"took {self.seconds[-1]:.0f} s"
            self.breaches[f"{took}: {request.method} {request.target[:150]}"] += 1


def breaches(
    request: hostile.Request, status: int, headers: Mapping[str, str], content: bytes
) -> Iterable[str]:
    """Every rule that an answer breaks."""
    lower = {name.lower(): value for name, value in headers.items()}
    kind = lower.get("content-type", "")
    if content == PARSER_ANSWER and status == 400:
        return
    if status >= 500 and not (status == 503 and "retry-after" in lower):
        yield f"status {status}"
    found = None if kind.startswith("image/") else SECRETS.search(content)
    if found and found[0].decode() not in unquote(request.target):  # else it is an echo
        yield "reveals the machine"
    if status < 400:
        return
    if LIBRARIES.search(content):
        yield "names a library"
    if lower.get("access-control-allow-origin") != "*":
        yield f"{status} without CORS"
    of_starlette = (request.method == "OPTIONS" and status == 400) or status == 416
    if REPORTED.search(request.target) and "xml" in kind:
        if request.method != "HEAD" and not REPORT.fullmatch(content):
            yield f"an error that is no report ({content[:80]!r})"
    elif request.method != "HEAD" and not of_starlette:  # refused preflights, ranges of a file
        if not re.fullmatch(rb'\{"detail":"[^"/]{3,400}"\}', content):
            yield f"an error that is not of the one shape ({content[:80]!r})"
        if kind != "application/json":
            yield f"an error as {kind}"


def tile_requests() -> SearchStrategy[hostile.Request]:
    """Addresses of tiles: near the scene, far from it, and nothing of the kind."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    odd = st.one_of(
        text, st.sampled_from(hostile.NUMBERS), st.integers().map(str), st.floats().map(str)
    )
    ids = st.one_of(st.just("yellowstone"), st.just("yellowstone"), st.just("truth"), odd)
    grids = st.sampled_from(
        ["WebMercatorQuad", "WorldCRS84Quad", "GNOSISGlobalGrid", "UTM31WGS84Quad"]
    )
    zooms = st.one_of(st.integers(-2, 32).map(str), odd)
    places = st.one_of(st.integers(-2, 2**31 + 2).map(str), odd)
    near = st.tuples(st.integers(0, 20), st.integers(-3, 3), st.integers(-3, 3)).map(_near)
    triples = st.one_of(near, st.tuples(zooms, places, places))
    formats = st.one_of(st.sampled_from(["png", "jpg", "webp", "gif", "tif"]), odd)
    names = st.one_of(st.sampled_from([*hostile.PARAMETERS, "url"]), text)
    queries = st.dictionaries(names, odd, max_size=3)
    layers = st.sampled_from(["tiles", "tiles", "uncertainty/tiles"])
    paths = st.tuples(layers, st.one_of(grids, odd)).map(lambda p: f"{p[0]}/{quote(p[1])}/")
    prefixes = st.one_of(st.just(""), paths)
    none: dict[str, str] = {}
    headers = st.one_of(st.just(none), st.sampled_from(hostile.HEADERS))

    def put(source: str, prefix: str, zxy: tuple[str, str, str], format: str,
            query: dict[str, str], header: dict[str, str]) -> hostile.Request:  # fmt: skip
        z, x, y = map(quote, zxy)
        asked = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
        target = (
            f"/{quote(source)}/{prefix}{z}/{x}/{y}.{quote(format)}{'?' if asked else ''}{asked}"
        )
        return hostile.Request(target, headers=header)

    return st.builds(put, ids, prefixes, triples, formats, queries, headers)


def source_requests(sources: list[dict[str, Any]]) -> SearchStrategy[hostile.Request]:
    """Every route of every source, where it lies, with parameters that suit some of them.

    sources: the entries of /sources.json.
    """
    names = {
        "bidx": st.integers(0, 6).map(str),
        "rescale": st.sampled_from(["0,1", "0,255", "-9999,9999", "1,0", "0,1e308"]),
        "colormap_name": st.sampled_from(["viridis", "gray", "none"]),
        "color_formula": st.sampled_from(["gamma RGB 1.5", "saturation 2", "gamma G 2"]),
        "return_mask": st.sampled_from(["true", "false"]),
        "mode": st.sampled_from(["super-resolved", "interpolated"]),
        "detail": st.sampled_from(["0", "0.7", "none"]),
        "noise_seed": st.integers(-1, 5).map(str),
        "tilesize": st.sampled_from(["256", "512", "257"]),
        "categorical": st.sampled_from(["true", "false"]),
        "c": st.sampled_from(["1", "0.5", "300", "-1", "nan", "1e39"]),
        "expression": st.sampled_from(["b1", "b1/b2", "b4-b1", "b5*2"]),
        "max_size": st.sampled_from(["1", "64", "300"]),
        "algorithm": st.sampled_from(["normalizedIndex", "hillshade", "sum", "terrainrgb"]),
        "nodata": st.sampled_from(["0", "nan", "1e39", "-1"]),
        "unscale": st.just("true"),
        "resampling": st.sampled_from(["cubic", "mode", "average"]),
        "uncertainty": st.just("true"),
        "sample": st.integers(0, 3).map(str),
    }  # the last two are of no route
    queries = st.lists(
        st.sampled_from([*names]).flatmap(lambda n: st.tuples(st.just(n), names[n])), max_size=3
    )
    formats = st.sampled_from(["png", "jpg", "jpeg", "webp", "avif", "npy", "tif"])
    depths = st.integers(-4, 4)

    def put(
        source: dict[str, Any], route: str, format: str, depth: int, query: list[tuple[str, str]]
    ) -> hostile.Request:
        west, south, east, north = source["bounds"]
        lon, lat, zoom = (west + east) / 2, (south + north) / 2, source["native_zoom"] + depth
        tile = WEB_MERCATOR.tile(lon, lat, zoom)
        words = {"lon": lon, "lat": lat, "z": zoom, "x": tile.x, "y": tile.y, "f": format}
        asked = "&".join(f"{name}={quote(value)}" for name, value in query)
        return hostile.Request(f"/{source['id']}/{route.format(**words)}?{asked}")

    whole = [source for source in sources if source["native_zoom"] is not None]
    return st.builds(put, st.sampled_from(whole), st.sampled_from(ROUTES), formats, depths, queries)


def _near(place: tuple[int, int, int]) -> tuple[str, str, str]:
    zoom, right, down = place
    # the scene's middle at zoom 19, and few enough tiles past native that most are drawn once
    x, y = 101007 * 2**zoom // 2**19, 188690 * 2**zoom // 2**19
    return str(zoom), str(x + right), str(y + down)


def documented_requests(
    document: dict[str, Any], url: str
) -> list[SearchStrategy[hostile.Request]]:
    """What the OpenAPI document allows, and what it does not, for every operation."""
    # Seconds of imports, of which tests of the rules have no need.
    import schemathesis
    from schemathesis.core.result import Ok

    schema = schemathesis.openapi.from_dict(document)
    strategies = []
    for result in schema.get_all_operations():
        if not isinstance(result, Ok):
            raise TypeError(f"the document is wrong: {result}")
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            cases = operation.as_strategy(generation_mode=mode)
            strategies.append(cases.map(lambda case: _prepared(case, url)))
    return strategies


def _prepared(case: Any, url: str) -> hostile.Request:
    """A case as a request, mostly of a source and a grid that exist."""
    import requests

    path, chance = case.path_parameters or {}, len(repr(case.query)) % 8
    if "source" in path and chance:
        path["source"] = "yellowstone"
    if "tileMatrixSetId" in path and chance > 1:
        path["tileMatrixSetId"] = "WebMercatorQuad"
    arguments = case.as_transport_kwargs(base_url=url)
    arguments["headers"] = {k: v for k, v in arguments["headers"].items() if k.isascii()}
    prepared = requests.Request(**arguments).prepare()
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
    assert body is None or isinstance(body, bytes)
    kind = {"Content-Type": str(prepared.headers["Content-Type"])} if body else {}
    return hostile.Request(prepared.path_url, prepared.method or "GET", kind, body)


def drive(
    strategy: SearchStrategy[hostile.Request], act: Callable[[hostile.Request], None],
    count: int, number: int,
) -> None:  # fmt: skip
    """Draw so many requests, the same ones for the same number, and act on each."""

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet)  # fmt: skip
    @given(strategy)
    def one(request: hostile.Request) -> None:
        act(request)

    # what takes no parameters has no invalid ones
    with warnings.catch_warnings(), suppress(Unsatisfiable):
        warnings.simplefilter("ignore")  # of generators, about what they can draw
        one()


def fuzz(server: Service, count: int, number: int = 0) -> Judge:
    """At least so many requests, a quarter of each kind."""
    judge = Judge(server.url)
    by_hand = list(hostile.requests())
    step = max(1, len(by_hand) * 4 // count)
    for request in by_hand[number % step :: step]:
        judge.ask(request)
    drive(tile_requests(), judge.ask, count // 4, number)
    drive(source_requests(server.get("/sources.json").json()), judge.ask, count // 4, number)
    operations = documented_requests(server.get("/openapi.json").json(), server.url)
    turn = number
    while (missing := count - judge.statuses.total()) > 0:
        for operation in operations:
            drive(operation, judge.ask, max(2, missing // len(operations)), turn)
        turn += 1
    return judge


def write_config(folder: Path) -> Path:
    """The demo's configuration and a source of every kind."""
    sources = {**yaml.safe_load(CONFIG.read_text())["sources"], **write_kinds(folder / "kinds")}
    for source in sources.values():
        source["path"] = str(CONFIG.parent / source["path"])
    path = folder / "overzoom.yaml"
    path.write_text(yaml.safe_dump({"sources": sources}))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config = write_config(Path(name))
        with running("--config", config, "--threads", "1", cache=Path(name) / "cache") as server:
            judge = fuzz(server, options.requests, options.seed)
            assert server.get("/readyz").status_code == 200
            assert server.get(hostile.TILE).status_code == 200
    for breach, times in judge.breaches.most_common():
        print(f"{times} x {breach}")
    quantiles = statistics.quantiles(judge.seconds, n=1000)
    print(f"{judge.statuses.total()} answers: " + ", ".join(
        f"{times} x {status}" for status, times in sorted(judge.statuses.items())))  # fmt: skip
    print(
        f"{len(judge.breaches)} kinds of breach; median {quantiles[499] * 1000:.1f} ms, "
        f"99.9 % within {quantiles[998]:.2f} s, slowest {max(judge.seconds):.2f} s"
    )
    return 1 if judge.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
