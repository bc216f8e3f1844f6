"""What deploy/ offers for operation, run or checked by the programs that it is written for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
from click.testing import Result
from morecantile import Tile

from tests.support.commands import call_overzoom
from tests.support.keys import hashed
from tests.support.server import configured, running
from tests.support.services import free_port
from tests.support.tiles import path_of
from tests.support.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
NATIVE = 19


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[str]:
    """The example before a server at a port; gives its address."""
    port = free_port()
    example = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("/var/cache/nginx/overzoom", str(folder / "tiles")),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert example.count(old) == 1
        example = example.replace(old, new)
    whole = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # who may write to the test's folder
    whole.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {_temporary(folder)}\n{example} }}\n"
    )
    command = ["nginx", "-c", str(whole), "-p", str(folder)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _temporary(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


def _wait_for(url: str) -> None:
    def answers() -> bool:
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, f"{url} does not answer")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_behind_the_nginx_example_tiles_are_kept_and_links_are_public(
    config: Path, tmp_path: Path, middle_tile: Callable[[int], Tile]
) -> None:
    settings = {
        "access": {
            "trusted_proxies": ["127.0.0.1"],
            "keys": {"town": {"sha256": hashed("town key"), "sources": ["truth"]}},
            "public": ["yellowstone"],
            "figures_public": True,
        },
        "log": {"requests": "all"},
        "cache": {"max_age_seconds": 5},
    }
    proxied = configured(config, tmp_path, **settings)
    path = path_of(middle_tile(NATIVE))
    private = path_of(middle_tile(NATIVE), "truth")
    with running("--config", proxied, cache=tmp_path / "cache") as server:
        port = int(server.url.rpartition(":")[2])
        with nginx(tmp_path, port) as url, httpx.Client(base_url=url) as client:
            forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
            document = client.get("/yellowstone/tilejson.json", headers=forged).json()
            assert document["tiles"][0].startswith(f"{url}/yellowstone/")
            named = client.get("/yellowstone/tilejson.json", headers={"Host": "maps.example"})
            assert named.json()["tiles"][0].startswith("http://maps.example/yellowstone/")

            first, second = client.get(path), client.get(path)
            assert [first.headers["x-cache"], second.headers["x-cache"]] == ["MISS", "HIT"]
            assert first.content == second.content
            assert "content-encoding" not in second.headers
            etag = first.headers["etag"]
            assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
            wait_until(lambda: client.get(path).headers["x-cache"] == "STALE")
            states = {client.get(path).headers["x-cache"] for _ in range(2)}
            assert states <= {"STALE", "UPDATING", "REVALIDATED", "HIT"}

            for _ in range(2):
                answer = client.get(private, headers={"X-API-Key": "town key"})
                assert (answer.status_code, answer.headers["x-cache"]) == (200, "BYPASS")
            assert client.get(private).status_code == 401
            assert client.get("/metrics").status_code == 200
        log = server.log.read_text()
    assert "6.6.6.6" not in log
    assert re.search(rf"GET {path} 304 ", log), "nginx asks again by ETag"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "overzoom.service"
    text = (DEPLOY / "overzoom.service").read_text()
    unit.write_text(text.replace("/opt/overzoom/.venv/bin/overzoom", shutil.which("true") or ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def unit_settings(name: str) -> list[str]:
    """The values of a setting in the unit, in order."""
    lines = (DEPLOY / "overzoom.service").read_text().splitlines()
    return [value for key, _, value in (line.partition("=") for line in lines) if key == name]


def started_before(tmp_path: Path, config: Path) -> Result:
    """What the unit runs before the server, for a user without a home that can be written to."""
    (line,) = unit_settings("ExecStartPre")
    program, *arguments = line.split()
    assert program == "/opt/overzoom/.venv/bin/overzoom"
    assert arguments.count("/etc/overzoom/overzoom.yaml") == 1
    arguments = [str(config) if "/etc/" in argument else argument for argument in arguments]
    environment = dict(line.split("=", 1) for line in unit_settings("Environment"))
    environment = {k: v.replace("%C", str(tmp_path)) for k, v in environment.items()}
    with patch.dict(os.environ, {"HOME": "/dev/null", **environment}):
        return call_overzoom(*arguments)


def test_what_the_unit_runs_before_the_server_passes_with_the_configuration_beside_it(
    tmp_path: Path,
) -> None:
    done = started_before(tmp_path, DEPLOY / "overzoom.yaml")
    assert (done.exit_code, done.stderr) == (0, "")


def test_the_unit_starts_a_server_one_of_whose_sources_is_away(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text("sources: {scene: {path: gone.tif}}")
    done = started_before(tmp_path, config)
    assert (done.exit_code, done.stderr) == (0, "")
    config.write_text("sources: {scene: {path: gone.tif}}\naccess: {public: [scenery]}")
    done = started_before(tmp_path, config)
    assert done.exit_code == 1
    assert "there is no source 'scenery'" in done.stderr


def test_the_unit_checks_the_folder_that_its_server_keeps_tiles_in(tmp_path: Path) -> None:
    (start,) = unit_settings("ExecStart")
    assert "--cache-dir" not in start, "where it counts, cache.folder would not"
    (tmp_path / "overzoom").write_text("where the folder is wanted")
    done = started_before(tmp_path, DEPLOY / "overzoom.yaml")
    assert done.exit_code == 1
    assert f"cache.folder: {tmp_path / 'overzoom'} is not writable" in done.stderr
    (folder,) = unit_settings("CacheDirectory")
    assert folder == "overzoom"
