"""Blocks made by a real cluster: two raylets on loopback, which tests kill."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import ray
import yaml
from ray.exceptions import OutOfMemoryError

from tests.support.commands import call_overzoom, command_of
from tests.support.examples import examples_of
from tests.support.prerendered import read_tiles
from tests.support.rasters import SCENE, cut
from tests.support.ray_cluster import RayCluster
from tests.support.scenes import write
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.offline.pools import Cluster, open_pool

pytestmark = pytest.mark.slow

SIDE = 768
BLOCKS = 9
"""Of 1024 px, at four times that side."""


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running_cluster: RayCluster) -> RayCluster:
    """A head and a node, whatever other tests killed."""
    if running_cluster.nodes < 2:
        running_cluster.add_node()
    return running_cluster


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster of moderate size."""
    with rasterio.open(SCENE) as file:
        pixels = file.read()
    pixels = np.tile(pixels, (1, -(-SIDE // pixels.shape[1]), -(-SIDE // pixels.shape[2])))
    return write(tmp_path_factory.mktemp("scene") / "in.tif", pixels[:, :SIDE, :SIDE])


@pytest.fixture(scope="module")
def local(scene: Path, small_checkpoint: Path) -> bytes:
    """The bytes of the run without Ray."""
    out = scene.with_name("local.tif")
    done = call_overzoom("upscale", scene, out, "--factor", 4, "--checkpoint", small_checkpoint)
    assert done.exit_code == 0, done.stderr
    return out.read_bytes()


class Driver:
    """The example of `overzoom upscale --ray`, at four times the side, as a process."""

    def __init__(self, cluster: RayCluster, scene: Path, out: Path, checkpoint: Path) -> None:
        self.cluster, self.out, self.log = cluster, out, out.with_suffix(".log")
        ((_, _, _, *options), *_) = (words for words in examples_of("upscale") if "auto" in words)
        chosen = ["--factor", 4, "--checkpoint", checkpoint]
        self.command = command_of("upscale", scene, out, *chosen, *options)

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            environment = self.cluster.environment
            return subprocess.Popen(self.command, stdout=log, stderr=log, env=environment)

    def finish(self, process: subprocess.Popen[bytes]) -> bytes:
        """The bytes of the result."""
        assert process.wait(LIMIT_SECONDS) == 0, self.log.read_text()
        assert not self.out.with_name(f"{self.out.name}.parts").exists()
        return self.out.read_bytes()

    def times_drawn(self) -> list[int]:
        """How often each block was begun, by the logs of the workers."""
        return sorted(self.cluster.made(f"{self.out}.parts/").values())

    def wait_for_blocks(self, count: int) -> None:
        wait_until(lambda: len(self.times_drawn()) >= count, f"no {count} blocks")


@pytest.fixture
def driver(cluster: RayCluster, scene: Path, tmp_path: Path, small_checkpoint: Path) -> Driver:
    return Driver(cluster, scene, tmp_path / "out.tif", small_checkpoint)


def test_two_workers_write_the_bytes_of_the_local_run(driver: Driver, local: bytes) -> None:
    assert driver.finish(driver.start()) == local
    assert driver.times_drawn() == [1] * BLOCKS
    assert driver.cluster.workers(f"{driver.out}.parts/") == 2


def test_a_killed_driver_resumes_and_writes_the_same_bytes(driver: Driver, local: bytes) -> None:
    with driver.start() as first:
        driver.wait_for_blocks(5)
        first.kill()
    kept = len(list(driver.out.with_name("out.tif.parts").glob("strip-*")))
    assert kept
    assert driver.finish(driver.start()) == local
    times = driver.times_drawn()
    assert len(times) == BLOCKS
    assert times[-1] <= 2
    assert times.count(2) <= 2, "only what the workers were drawing is drawn again"


def test_the_blocks_of_a_killed_node_are_drawn_again_and_no_others(
    driver: Driver, local: bytes
) -> None:
    process = driver.start()
    driver.wait_for_blocks(4)
    assert driver.cluster.workers(f"{driver.out}.parts/") == 2
    driver.cluster.kill_node()
    assert driver.finish(process) == local
    times = driver.times_drawn()
    assert len(times) == BLOCKS
    assert times.count(2) <= 1
    assert times[-1] <= 2
    assert "a worker was lost, its blocks are made again" in driver.log.read_text()


def test_a_worker_that_a_node_s_memory_monitor_ends_is_replaced(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    get, ended = ray.get, list[object]()

    def get_or_end(reference: object) -> object:
        """The first block's worker is ended, as the monitor tells of it."""
        result = get(reference)
        if result is None or ended:  # None: it has opened
            return result
        ended.append(result)
        raise OutOfMemoryError("the node runs out of memory")

    with open_pool(Cluster(cluster.address, 1)) as pool:
        monkeypatch.setattr(ray, "get", get_or_end)
        made = list(pool.run(operator.neg, iter(range(1, 5))))
    assert sorted(made) == [-4, -3, -2, -1]
    assert "a worker was lost, its blocks are made again" in caplog.text


def test_prerender_s_example_makes_every_tile_once_and_the_same_as_without_ray(
    cluster: RayCluster, small_checkpoint: Path, tmp_path: Path
) -> None:
    cut(tmp_path / "scene.tif", "rgb", 160)
    config = tmp_path / "overzoom.yaml"
    cache = {"folder": str(tmp_path / "ray")}
    config.write_text(yaml.safe_dump({"sources": {"scene": {"path": "scene.tif"}}, "cache": cache}))
    checkpoint = {"OVERZOOM_CHECKPOINT": str(small_checkpoint)}
    (example,) = (words for words in examples_of("prerender") if "--ray" in words)
    arguments = ["scene", "--config", config]
    done = call_overzoom(
        "prerender", *arguments, "--cache-dir", tmp_path / "local", "--checkpoint", small_checkpoint
    )
    assert done.exit_code == 0, done.stderr
    expected = read_tiles(tmp_path / "local")
    run = subprocess.run(
        command_of(*example), capture_output=True, text=True, check=False, cwd=tmp_path,
        env=cluster.environment | checkpoint,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = f"scene: {len(expected)} tiles made, 0 were cached already, 0 failed\n"
    assert run.stdout == made
    assert read_tiles(tmp_path / "ray") == expected
    assert {*cluster.made("block ").values()} == {1}
    assert cluster.workers("block ") == 2


def test_what_a_worker_cannot_open_is_said_in_one_line(
    cluster: RayCluster, scene: Path, tmp_path: Path, small_checkpoint: Path
) -> None:
    source = tmp_path / "in.tif"
    source.symlink_to("/proc/self/cwd/in.tif")  # the driver's folder, which workers do not have
    command = command_of(
        "upscale", source, tmp_path / "out.tif", "--checkpoint", small_checkpoint,
        "--ray", cluster.address,
    )  # fmt: skip
    environment = {**cluster.environment}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=scene.parent
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"overzoom: {source}: ")


def test_ctrl_c_stops_the_driver_and_its_workers(driver: Driver) -> None:
    process = driver.start()
    driver.wait_for_blocks(3)
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_SECONDS) == 130, driver.log.read_text()
    assert os.path.exists(f"{driver.out}.parts")
    assert "the same command resumes" in driver.log.read_text()
