"""The RayJob's entry point, submitted to a real cluster as KubeRay submits it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.commands import call_overzoom
from tests.support.deployed import KUBERNETES
from tests.support.rasters import cut
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import wait_until

pytest.importorskip("aiohttp_cors", reason="Ray's dashboard, which takes jobs: ray[default]")
pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    """A head with a dashboard and a node: a core for the command, and one for a worker."""
    monkeypatch.setenv("PATH", str(BIN), prepend=os.pathsep)
    cluster = RayCluster()
    try:
        cluster.start(dashboard=True)
        cluster.add_node()
        yield cluster
    finally:
        cluster.stop()


def test_the_entry_point_writes_the_bytes_of_the_run_without_ray(
    cluster: RayCluster, small_checkpoint: Path, tmp_path: Path
) -> None:
    spec = yaml.safe_load((KUBERNETES / "rayjob" / "rayjob.yaml").read_text())["spec"]
    cut(tmp_path / "scene.tif", "rgb", 160)
    command = spec["entrypoint"].replace("/data/", f"{tmp_path}/")
    command = command.replace("--cpus-per-worker 4", "--cpus-per-worker 1")
    submit = [str(BIN / "ray"), "job", "submit", "--address", str(cluster.dashboard)]
    submit += ["--entrypoint-num-cpus", str(spec["entrypointNumCpus"]), "--"]
    submit += [*shlex.split(command), "--checkpoint", str(small_checkpoint)]
    runs: list[subprocess.CompletedProcess[str]] = []

    def is_taken() -> bool:
        runs.append(
            subprocess.run(
                submit, capture_output=True, text=True, check=False, env=cluster.environment
            )
        )
        return "No available agent" not in runs[-1].stderr  # it starts after the dashboard

    wait_until(is_taken, "no agent takes jobs")
    assert runs[-1].returncode == 0, runs[-1].stdout + runs[-1].stderr
    assert "succeeded" in runs[-1].stdout
    assert cluster.workers(f"{tmp_path}/fine.tif.parts/") == 1
    local = ["upscale", tmp_path / "scene.tif", tmp_path / "local.tif", "--factor", 4]
    assert call_overzoom(*local, "--checkpoint", small_checkpoint).exit_code == 0
    assert (tmp_path / "fine.tif").read_bytes() == (tmp_path / "local.tif").read_bytes()
