"""Two servers on one Redis or one folder: each tile is made once, and both answer its bytes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from morecantile import Tile
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Service, configured, running, serving
from tests.support.services import RedisServer
from tests.support.tiles import block, path_of

NATIVE = 19


def computations(server: Service) -> float:
    """Tiles that a server made, by its counters."""
    families = text_string_to_metric_families(server.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "overzoom_computed_tiles_total"
    )


def start_process(config: Path, cache: Path) -> AbstractContextManager[Service]:
    return running("--config", config, cache=cache)


REDIS = ("Redis", ("Redis", "Redis leases"))
FOLDER = ("folder", ("lease files",))


@pytest.mark.parametrize(
    ("start", "sharing", "services"),
    [
        pytest.param(serving, *REDIS, id="redis-threads"),
        pytest.param(serving, *FOLDER, id="folder-threads"),  # test_workers.py: as processes
        pytest.param(start_process, *REDIS, id="redis-processes", marks=pytest.mark.slow),
    ],
)
def test_two_servers_make_each_tile_once_and_answer_the_same_bytes(
    start: Callable[[Path, Path], AbstractContextManager[Service]],
    sharing: str,
    services: tuple[str, ...],
    config: Path,
    tmp_path: Path,
    redis_server: RedisServer,
    middle_tile: Callable[[int], Tile],
) -> None:
    tiles = [tile for depth in (0, 1, 2) for tile in block(middle_tile(NATIVE + depth), 2)]
    uncertainty = path_of(tiles[4], "yellowstone/uncertainty/tiles/WebMercatorQuad")
    paths = [*map(path_of, tiles), uncertainty] * 2
    cache = {"disk_bytes": 0, "redis_url": redis_server.url} if sharing == "Redis" else {}
    shared = configured(config, tmp_path, cache=cache, deadline_seconds=300)
    with (
        start(shared, tmp_path / "cache") as one,
        start(shared, tmp_path / "cache") as other,
        ThreadPoolExecutor(24) as pool,
    ):
        for server in (one, other):  # what a first tile takes longer for is done
            assert server.get(path_of(middle_tile(NATIVE - 1))).status_code == 200
        before = computations(one) + computations(other)
        asked = [
            (server, path)
            for number, path in enumerate(paths)
            for server in ((one, other), (other, one))[number % 2]
        ]
        answers = list(pool.map(lambda question: question[0].get(question[1]), asked))
        assert {answer.status_code for answer in answers} == {200}
        by_path: dict[str, set[bytes]] = {}
        for answer in answers:
            by_path.setdefault(answer.url.path, set()).add(answer.content)
        made = computations(one) + computations(other) - before
        for service in services:
            assert f'overzoom_service_away{{service="{service}"}} 0.0' in one.get("/metrics").text
    assert all(len(contents) == 1 for contents in by_path.values())
    assert len(by_path) == len(tiles) + 1
    assert made == len(tiles) + 1, "one computation a tile in the cluster"


def test_servers_that_share_nothing_answer_the_same_bytes(
    config: Path, tmp_path: Path, middle_tile: Callable[[int], Tile]
) -> None:
    paths = [path_of(tile) for tile in block(middle_tile(NATIVE + 2), 2)]
    contents = []
    for number in range(2):
        with serving(config, tmp_path / str(number)) as server:
            contents.append([server.get(path).content for path in paths])
    assert contents[0] == contents[1]
