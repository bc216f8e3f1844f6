"""The samples that clients may ask for: `?noise_seed=`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.commands import call_overzoom
from tests.support.server import Service
from tests.support.tiles import decoded, path_of
from tileserver.app import make_app
from tileserver.errors import StartupError
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

NATIVE = 19
MakeSettings = Callable[..., Settings]


def test_each_is_another_picture_of_the_same_data(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    answers = [server.get(f"{path}?noise_seed={seed}") for seed in range(4)]
    assert [answer.headers["x-overzoom-noise-seed"] for answer in answers] == ["0", "1", "2", "3"]
    assert len({answer.headers["etag"] for answer in answers}) == 4
    pictures = [decoded(answer.content).astype(float) for answer in answers]
    means = [p.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)) for p in pictures]
    for picture, mean in zip(pictures[1:], means[1:], strict=True):
        assert np.abs(picture - pictures[0]).mean() > 1
        assert np.abs(mean - means[0]).max() <= 1, "the data are the same"


def test_the_first_is_the_default(server: Service, middle_tile: Callable[[int], Tile]) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    plain, named = server.get(path), server.get(f"{path}?noise_seed=0")
    assert named.headers["etag"] == plain.headers["etag"]
    assert named.content == plain.content


@pytest.mark.parametrize(
    ("depth", "query"), [(-2, ""), (0, ""), (1, "&mode=interpolated")], ids=str
)
def test_what_is_not_sampled_is_the_same_for_all(
    server: Service, middle_tile: Callable[[int], Tile], depth: int, query: str
) -> None:
    path = path_of(middle_tile(NATIVE + depth))
    answers = [server.get(f"{path}?noise_seed={seed}{query}") for seed in (0, 2)]
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert "x-overzoom-noise-seed" not in answers[1].headers


@pytest.mark.parametrize("seed", ["4", "-1", "99999999999999999999", "1.5", "one", ""])
def test_others_are_refused(server: Service, middle_tile: Callable[[int], Tile], seed: str) -> None:
    tile = middle_tile(NATIVE + 1)
    for path in (
        path_of(tile),
        path_of(middle_tile(NATIVE)),
        f"/yellowstone/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}@2x.png",
        "/yellowstone/tilejson.json",
        "/yellowstone/WebMercatorQuad/tilejson.json",
    ):
        answer = server.get(f"{path}?noise_seed={seed}")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("noise_seed: ")


def test_tilejson_lists_them_and_its_addresses_may_be_kept(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    plain = server.get("/yellowstone/tilejson.json").json()
    assert plain["overzoom"]["noise_seeds"] == [0, 1, 2, 3]
    assert f"v={plain['overzoom']['fingerprint']}" in plain["tiles"][0]
    assert server.get("/yellowstone/tilejson.json?noise_seed=0").json() == plain
    document = server.get("/yellowstone/WebMercatorQuad/tilejson.json?noise_seed=2").json()
    assert document["overzoom"]["noise_seed"] == 2
    assert document["overzoom"]["fingerprint"] != plain["overzoom"]["fingerprint"]
    for zoom in (NATIVE, NATIVE + 1):
        tile = middle_tile(zoom)
        url = document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
        answer = server.client.get(url)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers.get("x-overzoom-noise-seed") == ("2" if zoom > NATIVE else None)


def test_a_servers_own_seed_draws_what_another_draws_when_asked_for_it(
    app_settings: MakeSettings, server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    path = path_of(middle_tile(NATIVE + 2))
    asked = server.get(f"{path}?noise_seed=3")
    with TestClient(make_app(app_settings(noise_seed=3, samples=2))) as client:
        own = client.get(path)
        assert own.headers["etag"] == asked.headers["etag"]
        assert own.content == asked.content
        document = client.get("/yellowstone/tilejson.json").json()["overzoom"]
        assert (document["noise_seed"], document["noise_seeds"]) == (3, [3, 4])
        assert client.get(f"{path}?noise_seed=0").status_code == 422


def test_noise_seeds_are_numbers_that_javascript_knows() -> None:
    last = 2**53 - 16
    settings = read_settings(None, {"noise_seed": last, "samples": 16})
    assert settings.noise_seeds[-1] == 2**53 - 1
    with pytest.raises(StartupError, match="noise_seed"):
        read_settings(None, {"noise_seed": last + 1})


@pytest.mark.parametrize(
    "command",
    [
        ("upscale", "in.tif", "out.tif"),
        ("evaluate", "pictures", "--report", "report"),
        ("train", "--data", "pictures", "--run", "run"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("seed", [10**20, -(10**20)])
def test_commands_refuse_what_no_noise_has(command: tuple[str, ...], seed: int) -> None:
    done = call_overzoom(*command, "--noise-seed", seed)
    assert done.exit_code == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"Error: Invalid value for '--noise-seed': {seed} is not in the range")
