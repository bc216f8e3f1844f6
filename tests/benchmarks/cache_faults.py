"""Faults of a cache and of those who write to it."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cache.time_limit import CALL_THREADS
from tests.benchmarks.site import (
    Outcome,
    Site,
    asked,
    others_served,
    recovered,
    stored,
    unreadable,
)
from tests.support.pipes import hanging as pipes
from tests.support.services import free_port

FILE_BYTES = 20_000
"""Of a disk that is full: smaller tiles are kept, larger ones are not."""


def killed(site: Site, kills: int = 50) -> Outcome:
    """kill -9 while tiles are being written; the cache goes on from one life to the next."""
    chance, cache, found = random.Random(0), site.folder / "killed", 0
    halves: set[Path] = set()
    wrong: list[str] = []
    for _ in range(kills):
        files = [file for _, file in stored(cache)]
        for file in chance.sample(files, len(files) * 3 // 4):
            file.unlink()
        with site.served("killed") as server, ThreadPoolExecutor(1) as pool:
            paths = chance.sample(list(site.clean), len(site.clean))
            asking = pool.submit(asked, server, paths)
            while not (asking.done() or _caught_writing(server.process, cache, halves)):
                time.sleep(chance.uniform(0, 0.002))
            server.process.kill()
            server.process.wait()
        wrong += site.wrong_in(asking.result())
        halves.update(cache.rglob("*.partial"))
        broken = unreadable(cache)
        wrong += [f"{key}: half a file under a whole one's name" for key in broken]
        found += sum(1 for _ in stored(cache))
    with site.served("killed") as server:
        wrong += recovered(site, server)
    return Outcome(f"{kills} kills, {len(halves)} in mid-write, {found} whole files", wrong)


def damaged(site: Site) -> Outcome:
    """Cache files cut, flipped, emptied, and put in each other's place."""
    cache = site.folder / "damaged"
    with site.served("damaged") as server:
        wrong = recovered(site, server)
    files = [file for _, file in stored(cache)]
    contents = [file.read_bytes() for file in files]
    for number, (file, content) in enumerate(zip(files, contents, strict=True)):
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes((content[:-9], flipped, b"", contents[number - 1])[number % 4])
    with site.served("damaged") as server:
        wrong += recovered(site, server)
        noticed = server.log.read_text().count("corrupt cache file removed")
    if noticed != len(files):
        wrong.append(f"{noticed} of {len(files)} damaged files were noticed")
    return Outcome(f"{len(files)} files damaged, {noticed} noticed and drawn again", wrong)


def full(site: Site) -> Outcome:
    """No file may grow beyond a limit, as on a disk that is full; then there is room again."""
    cache, unlimited = site.folder / "full", (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with site.served("full", cache={"memory_bytes": 0}) as server:
        pid = server.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))
        wrong = recovered(site, server)
        kept = sum(1 for _ in stored(cache))
        left = sum(1 for _ in cache.rglob("*.partial"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        wrong += recovered(site, server)
        kept_after = sum(1 for _ in stored(cache))
    if not kept < len(site.clean) == kept_after or left:
        wrong.append(f"kept {kept}, {kept_after} of {len(site.clean)}; {left} half files")
    return Outcome(f"{kept} tiles kept while full, {kept_after} once there was room", wrong)


def full_disk(site: Site) -> Outcome:
    """A file system of 200 KB (where one may be mounted)."""
    cache = site.folder / "small"
    cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(cache)]
    if shutil.which("mount") is None or _fails(mount):
        return Outcome("not done: no file system may be mounted here")
    try:
        with site.served("small", cache={"memory_bytes": 0}) as server:
            wrong = recovered(site, server) + recovered(site, server)
            failed = server.log.read_text().count("cannot be written")
            wrong += [f"{key}: half a file" for key in unreadable(cache)]
            kept = sum(1 for _ in stored(cache))
    finally:
        subprocess.run(["umount", str(cache)], check=True)
    if not failed:
        wrong.append("the disk was never full")
    return Outcome(f"{failed} writes failed, {kept} tiles kept", wrong)


def hanging_cache(site: Site) -> Outcome:
    """Reads of the disk cache hang, more than it has threads; then the disk is back."""
    cache = site.folder / "stuck"
    with site.served("stuck", cache={"memory_bytes": 0}) as server:
        wrong = recovered(site, server)
        files = [file for _, file in stored(cache)][: CALL_THREADS + 1]
        with pipes(files):
            answers = asked(server, list(site.clean))
            wrong += site.wrong_in(answers) + others_served(site, server)
            statuses = sorted({answer.status_code for answer in answers.values()})
            wrong += [f"answered {status}" for status in statuses if status != 200]
            noticed = "cache tier disk: circuit breaker open" in server.log.read_text()
        wrong += recovered(site, server)
    if not noticed:
        wrong.append("nothing hung")
    return Outcome(f"{len(files)} files hung, meanwhile {', '.join(map(str, statuses))}", wrong)


def redis_killed(site: Site, kills: int = 3) -> Outcome:
    """The shared tier is killed under load, stays away, and comes back empty."""
    port, wrong, answered = free_port(), [], 0
    url = f"redis://127.0.0.1:{port}/0"
    none = {"memory_bytes": 0, "disk_bytes": 0, "redis_url": url}
    redis = _redis(port)
    try:
        with site.served("redis", cache=none) as server, ThreadPoolExecutor(1) as pool:
            wrong += recovered(site, server)
            for _ in range(kills):
                asking = pool.submit(asked, server, list(site.clean) * 2)
                time.sleep(0.1)
                redis.kill()
                redis.wait()
                for answers in (asking.result(), asked(server, list(site.clean))):
                    answered += len(answers)
                    wrong += site.wrong_in(answers)
                    wrong += [f"{p}: {a.status_code}" for p, a in answers.items() if a.is_error]
                redis = _redis(port)
                wrong += recovered(site, server)
    finally:
        redis.kill()
        redis.wait()
    return Outcome(f"{kills} kills, {answered} answers without it", wrong)


def _caught_writing(process: subprocess.Popen[bytes], cache: Path, known: set[Path]) -> bool:
    """Stop a server for a moment; where that was in the middle of a write, leave it stopped.

    known: half files of earlier lives.
    """
    process.send_signal(signal.SIGSTOP)
    if set(cache.rglob("*.partial")) - known:
        return True
    process.send_signal(signal.SIGCONT)
    return False


def _fails(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode != 0


def _redis(port: int) -> subprocess.Popen[bytes]:
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)
