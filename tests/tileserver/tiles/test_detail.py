"""How much synthesised texture is shown: `detail:`, `?detail=`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.server import Service
from tests.support.tiles import decoded, path_of
from tileserver.app import make_app
from tileserver.settings.server import Settings

NATIVE = 19
MakeSettings = Callable[..., Settings]


@pytest.mark.parametrize("depth", [1, 2])
def test_without_detail_the_best_estimate_is_one_picture_for_all_noise_seeds(
    server: Service, middle_tile: Callable[[int], Tile], depth: int
) -> None:
    path = path_of(middle_tile(NATIVE + depth))
    textured = server.get(path)
    one, other = (server.get(f"{path}?detail=0&noise_seed={seed}") for seed in (0, 2))
    assert (one.headers["etag"], one.content) == (other.headers["etag"], other.content)
    assert one.headers["etag"] != textured.headers["etag"]
    assert (one.headers["x-overzoom"], one.headers["x-overzoom-detail"]) == ("super-resolved", "0")
    assert "x-overzoom-noise-seed" not in one.headers
    assert float(textured.headers["x-overzoom-detail"]) > 0
    pictures = [decoded(answer.content).astype(float) for answer in (one, textured)]
    means = [p.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)) for p in pictures]
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.5
    if depth == 1:
        assert np.abs(means[0] - means[1]).max() <= 1, "the data are the same"


def test_the_amount_that_is_served_may_be_named(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    shown = server.get("/yellowstone/tilejson.json").json()["overzoom"]
    assert shown["details"] == [0.0, shown["detail"]]
    path = path_of(middle_tile(NATIVE + 1))
    named = server.get(f"{path}?detail={shown['detail']}")
    assert named.headers["etag"] == server.get(path).headers["etag"]


@pytest.mark.parametrize("detail", ["0.123", "2", "-1", "nan", "all", ""])
def test_other_amounts_are_refused(
    server: Service, middle_tile: Callable[[int], Tile], detail: str
) -> None:
    for path in (path_of(middle_tile(NATIVE + 1)), "/yellowstone/tilejson.json"):
        assert server.get(f"{path}?detail={detail}").status_code == 422


def test_a_tilejson_without_detail_has_addresses_of_such_tiles(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    document = server.get("/yellowstone/tilejson.json?detail=0").json()
    assert document["overzoom"]["detail"] == 0.0
    tile = middle_tile(NATIVE + 1)
    answer = server.client.get(document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y))
    assert answer.headers["x-overzoom-detail"] == "0"
    assert "immutable" in answer.headers["cache-control"]


def test_a_source_has_an_amount_of_its_own(
    app_settings: MakeSettings, server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    estimate = server.get(f"{path}?detail=0")
    with TestClient(make_app(app_settings(sources={"yellowstone": {"detail": 0}}))) as client:
        assert client.get(path).content == estimate.content
        assert client.get(path).headers["etag"] == estimate.headers["etag"]
        assert client.get("/yellowstone/uncertainty/tilejson.json").status_code == 200
        document = client.get("/yellowstone/tilejson.json").json()["overzoom"]
        assert (document["detail"], document["details"]) == (0.0, [0.0])
