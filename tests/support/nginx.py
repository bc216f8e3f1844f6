"""nginx as a process, with the configuration of deploy/."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.services import free_port
from tests.support.waiting import LIMIT_SECONDS, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"


@contextmanager
def nginx_before(folder: Path, ports: Sequence[int], more: str = "") -> Iterator[str]:
    """The example before servers at these ports; gives its address.

    more: further configuration, inside http {}.
    """
    port = free_port()
    upstream, main = (DEPLOY / name for name in ("nginx-upstream.conf", "nginx.conf"))
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    example = _replaced(upstream.read_text(), {"server 127.0.0.1:8000;": servers})
    example += _replaced(
        main.read_text(),
        {
            "/var/cache/nginx/overzoom": str(folder / "tiles"),
            "listen 80;": f"listen 127.0.0.1:{port};",
        },
    )
    with serve_nginx(folder, f"{more}\n{example}"):
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz")
        yield url


@contextmanager
def serve_nginx(folder: Path, configuration: str) -> Iterator[None]:
    """nginx with a configuration (inside http {}) that it finds nothing wrong with."""
    whole = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # who may write to the test's folder
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    whole.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{configuration} }}\n"
    )
    command = ["nginx", "-c", str(whole), "-p", str(folder)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(LIMIT_SECONDS)


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def wait_for(url: str) -> None:
    """Wait until a server answers at an address."""

    def answers() -> bool:
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, f"{url} does not answer")
