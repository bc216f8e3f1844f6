"""`make bench`: what the server costs on this machine, beside what a user could pick instead.

Everything is measured in one run, on the demo scene, against a real server process with an empty
cache; the peers run in this process, one after the other, while the server is idle.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from typing import TypeVar

import httpx
import numpy as np
import torch
from morecantile import Tile

from engine.network.checkpoint import load_checkpoint
from engine.pictures.probe import Waves
from engine.pictures.super_resolution import SuperResolved
from engine.sampling.settings import SamplerSettings
from engine.window import Window
from tests.benchmarks.native import Side, compare, cpu_ms, large_scene, plain_titiler, rate
from tests.benchmarks.opening import measure_rows
from tests.support.server import running
from tests.support.services import free_port
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.checkpoints import COMPACT
from tileserver.lab.peers import Peer, find_peers

CONFIG = Path(__file__).parents[2] / "deploy" / "demo" / "overzoom.yaml"
NATIVE = 19
CENTRE = (-110.643554, 44.955993)
COLD_TILES = 12
VIEW = (4, 3)
"""Tiles of a 1024x768 view."""
VIEWER_CONNECTIONS = 6
LOAD_SECONDS = 3.0
LOAD_CONNECTIONS = 8


def main() -> None:
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as cache, server(Path(cache)) as (client, process, started):
        row("start-up to the first native tile", f"{started:.2f} s", "<= 5 s")
        for depth, aim in ((1, "<= 0.5 s"), (2, "<= 0.8 s")):
            times = [timed(client, tile) for tile in scattered(NATIVE + depth)]
            row(f"cold tile, native+{depth}: median / p95", spread(times), aim)
        tile = path_of(WEB_MERCATOR.tile(*CENTRE, NATIVE + 1))
        cached = [timed_path(client, tile) for _ in range(300)][50:]
        row("cached tile: median / p95", spread(cached), "<= 5 ms")
        host, port = client.base_url.host, client.base_url.port or 80
        etag = client.get(tile).headers["etag"]
        row("cached tiles", f"{load(host, port, tile, ''):,.0f} /s", ">= 1,000 /s")
        answers = load(host, port, tile, f"If-None-Match: {etag}\r\n")
        row("304 answers", f"{answers:,.0f} /s", ">= 2,000 /s")
        row("peak memory of the server", f"{peak_mebibytes(process.pid):.0f} MiB", "")
    with tempfile.TemporaryDirectory() as cache, server(Path(cache)) as (client, _, _):
        row("cold 1024x768 view, native+2", f"{view_seconds(client):.2f} s", "<= 4 s")
    for what, measured in measure_rows():
        row(what, measured, "seen <= 1500 ms")
    native_rows()
    row("share of a cold tile's engine time in the denoiser", f"{denoiser_share():.0%}", "")
    ours = statistics.median(own_seconds(2))
    row("ours, one 256 px tile, x4, engine alone, halo included", f"{ours:.2f} s", "")
    for peer in find_peers():
        times = peer_seconds(peer)
        ratio = statistics.median(times) / ours
        row(f"{peer.name}, one 256 px tile", f"{spread(times)} ({ratio:.1f} x ours at x4)", "")


def native_rows() -> None:
    """Native tiles beside a plain titiler.core, the two taking turns on one file."""
    with tempfile.TemporaryDirectory() as name:
        scene = large_scene(CONFIG.parent / "yellowstone_20cm.tif", Path(name) / "large.tif")
        for format in ("png", "webp"):
            cache = Path(name) / format
            with running(scene, cache=cache) as server, plain_titiler() as plain:
                ours = Side(f"{server.url}/large", server.process.pid)
                compare(ours, plain, scene, format)
            measured = f"{rate(ours):.0f} /s beside {rate(plain):.0f} /s"
            measured += f", {cpu_ms(ours):.0f} ms of processor beside {cpu_ms(plain):.0f} ms"
            row(f"native {format} tiles, beside plain titiler.core", measured, ">= 1 x")


def row(what: str, measured: str, aim: str) -> None:
    print(f"| {what} | {measured} | {aim} |", flush=True)


@contextmanager
def server(cache: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes], float]]:
    """A server with an empty cache, and the seconds until it had answered with a native tile."""
    port = free_port()
    command = [sys.executable, "-m", "tileserver.cli", "serve", "--config", str(CONFIG)]
    command += ["--port", str(port), "--cache-dir", str(cache)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            native = path_of(WEB_MERCATOR.tile(*CENTRE, NATIVE))
            while True:
                try:
                    client.get(native).raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.02)
            seconds = time.perf_counter() - started
            while client.get("/readyz").status_code != 200:
                time.sleep(0.1)
            yield client, process, seconds
    finally:
        process.terminate()
        process.wait(30)


def scattered(zoom: int) -> list[Tile]:
    """Tiles far enough apart that none profits from another's work."""
    middle = WEB_MERCATOR.tile(*CENTRE, zoom)
    apart = 2 ** (zoom - NATIVE)
    places = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1, 2)][:COLD_TILES]
    shift = apart // 2 if zoom > NATIVE + 1 else 0
    return [Tile(middle.x + c * apart, middle.y + r * apart + shift, zoom) for r, c in places]


def timed(client: httpx.Client, tile: Tile) -> float:
    return timed_path(client, path_of(tile))


def timed_path(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - began


def view_seconds(client: httpx.Client) -> float:
    """A view that nobody has seen, asked for as a browser does: six tiles at a time."""
    middle = WEB_MERCATOR.tile(*CENTRE, NATIVE + 2)
    tiles = [
        Tile(middle.x + col, middle.y + row, middle.z)
        for row in range(-VIEW[1] + 1, 1)
        for col in range(-VIEW[0] + 1, 1)
    ]
    paths = [path_of(tile, format="webp") for tile in tiles]
    with (
        ThreadPoolExecutor(VIEWER_CONNECTIONS) as pool,
        httpx.Client(base_url=client.base_url, timeout=300) as viewer,
    ):
        began = time.perf_counter()
        for answer in pool.map(viewer.get, paths):
            answer.raise_for_status()
        return time.perf_counter() - began


def load(host: str, port: int, path: str, header: str) -> float:
    """Requests a second over keep-alive connections, from a client that does next to nothing."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n".encode()

    def ask_until(deadline: float) -> int:
        count = 0
        with create_connection((host, port)) as connection:
            stream = connection.makefile("rb")
            while time.perf_counter() < deadline:
                connection.sendall(request)
                length = 0
                while (line := stream.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                stream.read(length)
                count += 1
        return count

    began = time.perf_counter()
    with ThreadPoolExecutor(LOAD_CONNECTIONS) as pool:
        counts = list(pool.map(ask_until, [began + LOAD_SECONDS] * LOAD_CONNECTIONS))
    return sum(counts) / (time.perf_counter() - began)


def peak_mebibytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no peak memory in /proc")


Result = TypeVar("Result")


def own_picture(zooms: int = 1) -> SuperResolved:
    checkpoint = load_checkpoint(COMPACT)
    return SuperResolved(Waves(), 3, checkpoint, SamplerSettings(), 20, depth=zooms)


def own_seconds(zooms: int, repeats: int = 7) -> list[float]:
    """Seconds of one tile's engine work, halo included."""
    picture = own_picture(zooms)
    return repeated(lambda: picture.read(Window(0, 0, 256, 256)), repeats)


def denoiser_share() -> float:
    """What part of a tile at native+1 is spent in the network."""
    picture, spent = own_picture(), [0.0]
    denoiser = picture.checkpoint.denoiser

    def clocked(method: Callable[..., Result]) -> Callable[..., Result]:
        def call(*arguments: torch.Tensor) -> Result:
            began = time.perf_counter()
            result = method(*arguments)
            spent[0] += time.perf_counter() - began
            return result

        return call

    denoiser.encode = clocked(denoiser.encode)  # type: ignore[method-assign]  # the clock goes around it
    denoiser.denoise = clocked(denoiser.denoise)  # type: ignore[method-assign]  # the clock goes around it
    picture.read(Window(0, 0, 256, 256))
    spent[0] = 0.0
    total = sum(repeated(lambda: picture.read(Window(0, 0, 256, 256)), 7, warm=False))
    return spent[0] / total


def peer_seconds(peer: Peer) -> list[float]:
    side = 256 // peer.scale
    low = (np.random.default_rng(0).random((side, side, 3)) * 255).astype(np.uint8)
    return repeated(lambda: peer.upscale(low), 3)


def repeated(work: Callable[[], object], repeats: int, warm: bool = True) -> list[float]:
    if warm:
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def spread(times: list[float]) -> str:
    high = sorted(times)[min(len(times) - 1, round(0.95 * len(times)))]
    unit, factor = ("ms", 1000) if high < 0.1 else ("s", 1)
    return f"{statistics.median(times) * factor:.2f} / {high * factor:.2f} {unit}"


if __name__ == "__main__":
    main()
