"""Shared by all tests: the demo scene, a small checkpoint, services, and one server."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from fastapi.dependencies import models
from hypothesis import settings
from morecantile import Tile

import cache.file_lease
import cache.lease
import cache.objects
import cache.redis
from tests.support.checkpoint import save_small_checkpoint
from tests.support.server import Service, configured, running
from tests.support.services import S3, RedisServer
from tests.support.sharing import shared
from tests.support.tiles import WEB_MERCATOR
from tests.support.waiting import LIMIT_SECONDS
from tileserver import checkpoints
from tileserver import stores as tiers
from tileserver.api import fallback
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell starts with &
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else processes would ignore it, too
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # one process a core

LIVE_FIXTURES = {"browser", "server", "redis_server", "own_redis", "s3"}
"""Fixtures of tests that have a browser or a server in them."""
LIVE_NAMES = {"threading", "Thread", "ThreadPoolExecutor", "TestClient", "asyncio", "subprocess"}
LIVE_NAMES |= {"running", "file_server", "served", "make_app", "Watch"}
"""Names that a module has at hand whose tests start threads or processes."""

LONGEST = {"test_ray_pool", "test_faults", "test_evaluating", "test_ray_job"}
"""Files of slow tests that begin first: the others fill the time until their ends."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `live` what may depend on how busy the machine is, and begin with the longest."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if LIVE_FIXTURES & {*item.fixturenames} or LIVE_NAMES & {*vars(item.module)}:
            item.add_marker("live")
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and never what the imports made: hundreds of thousands of objects.

    An application has 20,000; hypothesis, too, is called at every collection.
    """
    gc.freeze()
    gc.set_threshold(10_000, 5, 5)
    gc.enable()


def pytest_unconfigure() -> None:
    """What is left is not looked through at the end of the process."""
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """Let go of what a test used: a worker does not grow from test to test."""
    forget_applications()


def forget_applications() -> None:
    """Empty FastAPI's caches, whose keys hold every application's dependencies.

    Without it each of hundreds of applications stays: 30,000 objects, 30 to 60 MB.
    """
    for function in (
        models._is_gen_callable_cached,
        models._is_async_gen_callable_cached,
        models._is_coroutine_callable_cached,
    ):
        function.cache_clear()


settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

DEMO = Path(__file__).parents[2] / "deploy" / "demo"


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo scene."""
    return DEMO


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small checkpoint."""
    return save_small_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.safetensors")


@pytest.fixture(scope="session", autouse=True)
def _keep_to_small_things(
    small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What is bundled draws only where a test asks for it (`bundled_checkpoint`).

    And nothing is kept in the cache folder of whoever runs the tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(checkpoints, "bundled", lambda: small_checkpoint)
        yield


@pytest.fixture
def bundled_checkpoint(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint that ships, which draws in this test: it is about the picture."""
    monkeypatch.setattr(checkpoints, "bundled", lambda: checkpoints.COMPACT)
    return checkpoints.COMPACT


@pytest.fixture(scope="session")
def config(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's configuration, of the meadow alone."""
    values = yaml.safe_load((demo / "overzoom.yaml").read_text())
    values["sources"] = {id: values["sources"][id] for id in ("yellowstone", "truth")}
    for source in values["sources"].values():
        source["path"] = str(demo / source["path"])
    path = tmp_path_factory.mktemp("meadow") / "overzoom.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def patient(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's configuration, for a machine that may be busy with other tests."""
    return configured(config, tmp_path_factory.mktemp("config"), deadline_seconds=300)


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def server(
    patient: Path, common: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One server of the demo scene for all tests that only ask."""
    cache = tmp_path_factory.mktemp("cache")
    with shared(common / "server", lambda: running("--config", patient, cache=cache)) as server:
        yield server


@pytest.fixture(scope="session")
def bundled_server(
    patient: Path, common: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """As `server`, with the checkpoint that ships: for tests of the picture."""
    arguments = ("--config", patient, "--checkpoint", checkpoints.COMPACT)
    cache = tmp_path_factory.mktemp("cache")
    with shared(common / "bundled", lambda: running(*arguments, cache=cache)) as server:
        yield server


@pytest.fixture
def app_settings(config: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of the demo scene with a cache of the test's own, for a machine that may be busy."""

    def settings(**overrides: object) -> Settings:
        values = {"cache": {"folder": str(tmp_path / "cache")}, "deadline_seconds": 300}
        return read_settings(config, {**values, **overrides})

    return settings


@pytest.fixture(scope="session")
def middle_tile() -> Callable[[int], Tile]:
    """The tile in the middle of the demo scene, at any zoom."""
    return lambda zoom: WEB_MERCATOR.tile(-110.643554, 44.955993, zoom)


@pytest.fixture(scope="session")
def config_settings(config: Path) -> Settings:
    """The demo's settings, with neither tier of the cache."""
    return read_settings(config, {"cache": {"memory_bytes": 0, "disk_bytes": 0}})


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services and disks are waited for, as long as a busy machine may take."""
    for module, name in (
        (cache.lease, "ANSWER_SECONDS"),
        (cache.redis, "ANSWER_SECONDS"),
        (cache.redis, "CONNECT_SECONDS"),
        (cache.file_lease, "CALL_SECONDS"),
        (tiers, "CALL_SECONDS"),
    ):
        monkeypatch.setattr(module, name, LIMIT_SECONDS)
    for limit in cache.objects.CONNECTION:
        monkeypatch.setitem(cache.objects.CONNECTION, limit, f"{LIMIT_SECONDS} seconds")


@pytest.fixture
def soon_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy server gives up at a fiftieth of a request's time, and has the rest to interpolate."""
    monkeypatch.setattr(fallback, "FALLBACK_SHARE", 0.98)


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A running, empty Redis."""
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis to do harm to; not yet started."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A running object store that speaks S3's protocol."""
    server = S3()
    server.start()
    yield server
    server.stop()
