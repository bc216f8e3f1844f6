"""A real Ray cluster on loopback: raylets of their own, which may be killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from tests.support.services import free_port
from tests.support.waiting import LIMIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
STORE_BYTES = 80_000_000
"""Of the object store: about the least that Ray takes."""


class RayCluster:
    """A head with one CPU at 127.0.0.1, and any number of nodes with one CPU each."""

    def __init__(self) -> None:
        # Not below a test's folder: the paths of Ray's sockets have to be short.
        self.folder = Path(mkdtemp(prefix="rz", dir="/tmp"))
        self.address = f"127.0.0.1:{free_port()}"
        self.dashboard: str | None = None
        """Its address, where there is one."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def start(self, *, dashboard: bool = False) -> None:
        """Start the head; dashboard: which jobs are submitted to (ray[default])."""
        if dashboard:
            port = free_port()
            self.dashboard = f"http://127.0.0.1:{port}"
            options = ["--include-dashboard=true", f"--dashboard-port={port}"]
        else:
            options = ["--include-dashboard=false"]
        port_of_head = self.address.partition(":")[2]
        self._start("--head", f"--port={port_of_head}", f"--temp-dir={self.folder}", *options)

    def add_node(self) -> None:
        """Start one more raylet, which has an address of its own."""
        self._start(f"--address={self.address}")

    def kill_node(self) -> None:
        """Kill the raylet of the latest node with SIGKILL."""
        process = self._processes.pop()
        os.kill(_raylet_of(process.pid), signal.SIGKILL)
        process.wait(LIMIT_SECONDS)  # it ends with its raylet

    @property
    def nodes(self) -> int:
        """Raylets that run, of the head and of nodes."""
        return len(self._processes)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a driver, and of the nodes."""
        own = {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": self.address, "OMP_WAIT_POLICY": "passive"}
        own["RAY_worker_niceness"] = "0"  # by default 15: beside other tests they hardly ran
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
        return {**kept, **own}

    def made(self, of: str) -> Counter[str]:
        """How often workers began each block whose text starts so, by their logs."""
        begun: Counter[str] = Counter()
        for log in self.folder.glob("session_latest/logs/worker-*.err"):
            begun.update(re.findall(r"ray_pool: making (.*)", log.read_text(errors="replace")))
        return Counter({block: times for block, times in begun.items() if block.startswith(of)})

    def workers(self, of: str) -> int:
        """How many processes made such blocks."""
        logs = self.folder.glob("session_latest/logs/worker-*.err")
        return sum(f"making {of}" in log.read_text(errors="replace") for log in logs)

    def stop(self) -> None:
        """End every process of the cluster."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(LIMIT_SECONDS)
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, *options: str) -> None:
        self._started += 1
        log = self.folder / f"node-{self._started}.log"
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block"]
        command += [f"--node-ip-address=127.0.0.{self._started}", "--num-cpus=1", *options]
        command += [f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats"]
        # Another cluster of this machine has the agent's default port, and jobs need the agent.
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        command += ["--min-worker-port=0", "--max-worker-port=0"]  # any: not the one of --port
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=self.environment
            )
        self._processes.append(process)

        def is_started() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ray runtime started" in log.read_text()

        wait_until(is_started, f"ray start did not end: {log.read_text()}")


def _raylet_of(parent: int) -> int:
    """The process of the raylet that `ray start` is the parent of."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:  # it has ended
            continue
        if "Name:\traylet\n" in text and f"PPid:\t{parent}\n" in text:
            return int(status.parent.name)
    raise AssertionError(f"{parent} has no raylet")
