"""Real servers: processes of their own, fresh caches, HTTP over loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from starlette.testclient import TestClient

from tests.support.services import free_port
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver import checkpoints
from tileserver.settings.reading import read_settings


@dataclass
class Service:
    """A server that answers."""

    url: str
    client: httpx.Client = field(repr=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)


@dataclass
class Server(Service):
    """One that is a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def serving(
    config: Path, cache: Path, *, port: int | None = None, **overrides: object
) -> Iterator[Service]:
    """The server of a configuration in a thread of this process, once it is ready.

    Seconds of imports less than a process of its own, which `running` gives.
    """
    from tests.support.edge import serve_in_thread
    from tileserver.app import make_app

    port = port or free_port()
    values = {"cache": {"folder": str(cache)}, "port": port, **overrides}
    settings = read_settings(config, values)
    url = f"http://127.0.0.1:{port}"
    with (
        serve_in_thread(make_app(settings), settings),
        # verify: no certificates are loaded, which takes longer than most answers on loopback
        httpx.Client(base_url=url, timeout=LIMIT_SECONDS, verify=False) as client,
    ):
        wait_until_ready(client)
        yield Service(url, client)


@contextmanager
def running(*arguments: str | Path, cache: Path, port: int | None = None) -> Iterator[Server]:
    """`overzoom serve` with these arguments, once it is ready; port None: any free one."""
    port = port or free_port()
    command = [sys.executable, "-m", "tileserver.cli", "serve", *map(str, arguments)]
    command += ["--port", str(port), "--cache-dir", str(cache)]
    if "--checkpoint" not in arguments:
        command += ["--checkpoint", str(checkpoints.bundled())]  # this process's own default
    log = cache.with_name(f"{cache.name}.log")  # not a pipe: nobody would empty it
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, timeout=120, verify=False) as client:
                _wait_for_process(client, process, log)
                yield Server(url, client, process, log)
        finally:
            process.terminate()
            process.wait(LIMIT_SECONDS)


def _wait_for_process(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_ready, "the server did not become ready")


def wait_until_ready(client: TestClient | httpx.Client) -> None:
    """Wait until an application in this process has warmed up."""
    wait_until(lambda: client.get("/readyz").status_code == 200, "the application is not ready")


def configured(config: Path, folder: Path, **settings: object) -> Path:
    """A configuration with other settings, in a folder of its own."""
    values = yaml.safe_load(config.read_text())
    for source in values["sources"].values():
        source["path"] = str(config.parent / source["path"])
    path = folder / "overzoom.yaml"
    path.write_text(yaml.safe_dump({**values, **settings}, sort_keys=False))
    return path
