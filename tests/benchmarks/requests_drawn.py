"""Requests drawn by chance: of tiles, of every source's routes, of the OpenAPI document."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.benchmarks import hostile
from tests.support.tiles import WEB_MERCATOR

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
