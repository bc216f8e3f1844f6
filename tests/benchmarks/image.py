"""The file system of deploy/Dockerfile, built and served where no container engine runs.

    python -m tests.benchmarks.image FOLDER [--torch-index URL] [--bind PATH]

Every instruction of the Dockerfile is carried out in folders that bubblewrap makes the root file
system of its commands. debian:bookworm-slim is what mmdebstrap installs from Debian, and
node:20-bookworm-slim is that with this machine's Node.js. The server then runs as the image's user,
without capabilities, its root file system read-only, as process 1 of a namespace: its health check
must pass, a super-resolved tile must be the one that this checkout draws, byte for byte, and
SIGTERM must end it with status 0.

Needs root, bubblewrap and mmdebstrap. What it does not show: layers and manifest of an image,
a container engine's network and cgroups, and the published base images.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import httpx

from tests.support.dockerfile import Image, Instruction, carry_out, copy_root, parse
from tests.support.fixtures import DEMO
from tests.support.server import serving
from tests.support.services import free_port
from tests.support.tiles import WEB_MERCATOR, path_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
ZOOM = 20
"""One past the native zoom of the demo's meadow."""
MIRRORS = [
    f"deb http://deb.debian.org/{archive} {suite} main"
    for archive, suite in (
        ("debian", "bookworm"),
        ("debian", "bookworm-updates"),
        ("debian-security", "bookworm-security"),
    )
]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--torch-index", help="Package index of PyTorch.  [the Dockerfile's]")
@click.option("--bind", multiple=True, help="Path of this machine that the build steps may read.")
def main(folder: Path, torch_index: str | None, bind: tuple[str, ...]) -> None:
    """Build the image's file system in FOLDER and serve the demo from it."""
    arguments = {"TORCH_INDEX": torch_index} if torch_index else {}
    instructions = parse((ROOT / "deploy" / "Dockerfile").read_text())
    image = _build(folder, instructions, arguments, bind)
    _measure(image)
    _check_libraries(image)
    _serve(image, folder)


def _build(
    folder: Path, instructions: list[Instruction], arguments: dict[str, str], bind: tuple[str, ...]
) -> Image:
    stages: dict[str, Image] = {}
    image = Image(folder)
    for instruction in instructions:
        click.echo(f"{instruction.name} {instruction.text}"[:100])
        if instruction.name == "FROM":
            base, _, stage = instruction.text.partition(" AS ")
            image = Image(folder / (stage or "final"))
            shutil.rmtree(image.root, ignore_errors=True)
            if base in stages:
                image = stages[base].copied_to(image.root)
            else:
                copy_root(_base(folder, base), image.root)
            stages[stage or "final"] = image
        else:
            carry_out(instruction, image, stages, ROOT, arguments, bind)
    return image


def _base(folder: Path, name: str) -> Path:
    """The file system that stands in for a published image, made once."""
    root = folder / name.replace(":", "-")
    if root.exists():
        return root
    if name.startswith("node:"):
        copy_root(_base(folder, "debian:bookworm-slim"), root)
        image = Image(root)
        image.run("apt-get update && apt-get install -y --no-install-recommends libstdc++6")
        for path in ("usr/bin/node", "usr/bin/npm", "usr/lib/node_modules"):
            subprocess.run(["cp", "-a", "/" + path, root / path], check=True)
        return root
    command = ["mmdebstrap", "--variant=minbase", "--quiet", "bookworm", str(root), *MIRRORS]
    subprocess.run(command, check=True)
    return root


def _measure(image: Image) -> None:
    whole, packages = (_mebibytes(path) for path in (image.root, image.root / "opt/overzoom"))
    click.echo(f"file system: {whole} MiB, of which Python packages {packages} MiB")


def _mebibytes(path: Path) -> int:
    done = subprocess.run(["du", "-sm", path], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def _check_libraries(image: Image) -> None:
    """Every shared library of the packages finds those that it was linked with."""
    script = (
        "find /opt/overzoom -name '*.so*' -type f | "
        "while read -r file; do ldd $file 2>&1 | sed \"s|^|$file:|\"; done | grep 'not found' || :"
    )
    missing = image.run(script, capture=True)
    click.echo(f"libraries that are missing: {missing or 'none'}")


def _serve(image: Image, folder: Path) -> None:
    port, cache = free_port(), folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    shutil.chown(cache, image.user, image.user)
    environment = {"OVERZOOM_PORT": str(port)}

    def status_of(words: list[str]) -> int:
        command = image.command(cache, environment, words, as_first=False)
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode

    command = image.command(cache, environment, [*image.entry_point, *image.arguments])
    with subprocess.Popen(command) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                wait_until(lambda: _answers(client, process), "the server is not ready")
                path, answer = _middle_tile(client)
            child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
            click.echo(_rights(child))
            click.echo(f"health check: status {status_of(image.health_check)}")
            for written in ("/opt/overzoom/written", "/etc/overzoom/written"):
                assert status_of(["touch", written]) != 0, f"{written} can be written to"
            subprocess.run(["kill", "-TERM", str(child)], check=True)
            click.echo(f"SIGTERM: status {process.wait(60)}")
        finally:
            process.kill()
    click.echo(f"{path}: {answer.status_code} {answer.headers['x-overzoom']}")
    with serving(DEMO / "overzoom.yaml", folder / "own") as server:
        assert server.get(path).content == answer.content, "this checkout draws another tile"
    click.echo("the tile equals this checkout's")


def _middle_tile(client: httpx.Client) -> tuple[str, httpx.Response]:
    west, south, east, north = client.get("/yellowstone/tilejson.json").json()["bounds"]
    path = path_of(WEB_MERCATOR.tile((west + east) / 2, (south + north) / 2, ZOOM))
    return path, client.get(path)


def _rights(process: int) -> str:
    """User, ids in namespaces and capabilities of a process, as the kernel says."""
    names = ("Uid", "NSpid", "CapEff", "CapBnd", "NoNewPrivs")
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return ", ".join(" ".join(line.split()) for line in lines if line.split(":")[0] in names)


def _answers(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended"
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
