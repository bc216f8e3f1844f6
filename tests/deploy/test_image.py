"""The Dockerfile: what hadolint says of it, and what it copies, sets and starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployed import DOCKERFILE, ROOT, final_stage
from tests.support.dockerfile import parse
from tests.support.nginx import wait_for
from tests.support.services import free_port
from tileserver.settings.environment import read_environment
from tileserver.settings.reading import read_settings


def test_hadolint_finds_nothing_wrong() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_let_through_by_dockerignore() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!/") for line in lines if line.startswith("!")}
    copied = []
    for name, text in parse(DOCKERFILE.read_text()):
        if name == "COPY" and not text.startswith("--from="):
            copied += text.split()[:-1]
    assert copied
    for pattern in copied:
        assert list(ROOT.glob(pattern)), pattern
        folders = {pattern, *map(str, Path(pattern).parents)}
        assert folders & allowed, f"{pattern} is left out by .dockerignore"


def test_every_package_is_copied() -> None:
    copied = [text.split()[0] for name, text in parse(DOCKERFILE.read_text()) if name == "COPY"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= {*copied}


def test_the_image_starts_the_server_as_a_user_without_rights(tmp_path: Path) -> None:
    image = final_stage(tmp_path)
    assert image.user == 10001
    assert image.entry_point == ["tini", "--", "overzoom"]
    assert image.environment["PATH"].startswith("/opt/overzoom/bin:/usr/")
    config = ROOT / "deploy" / "demo" / Path(image.arguments[-1]).name
    variables = {k: v for k, v in image.environment.items() if k.startswith("OVERZOOM_")}
    settings = read_settings(config, {}, variables)
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert len(read_environment(variables)) == len(variables)


@pytest.mark.parametrize("path", ["/healthz", "/elsewhere"])
def test_the_health_check_passes_where_healthz_answers_and_fails_elsewhere(
    tmp_path: Path, path: str
) -> None:
    image, port = final_stage(tmp_path), free_port()
    program, *arguments = image.health_check
    assert program == "python"
    served = tmp_path / path[1:]
    served.write_text("answer")
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    environment = {**os.environ, "OVERZOOM_PORT": str(port)}
    with subprocess.Popen(
        server, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            done = subprocess.run(
                [sys.executable, *arguments], env=environment, capture_output=True, check=False
            )
        finally:
            process.terminate()
    assert (done.returncode == 0) == (path == "/healthz")
