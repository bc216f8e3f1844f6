"""Shared by all tests: the demo scene, and keeping torch within the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import cache.lease
import cache.redis
from tests.services import S3, RedisServer

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # one process a core

settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

DEMO = Path(__file__).parents[1] / "deploy" / "demo"


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo scene."""
    return DEMO


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """A running, empty Redis that is waited for, as long as a busy machine may take."""
    for module in (cache.lease, cache.redis):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 10)
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
