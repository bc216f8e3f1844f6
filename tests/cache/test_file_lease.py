"""Leases as locked files: processes that share a folder make each key once."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cache import DiskStore, file_lease
from cache.cluster_flight import ClusterFlight
from cache.file_lease import FOLDER, FileLeases
from tests.support.store_contract import value
from tests.support.waiting import LIMIT_SECONDS, wait_until_async


class Shared:
    """A store that all share, and a record of what was made."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.made: list[str] = []

    def find(self, key: str) -> Callable[[], Awaitable[bytes | None]]:
        async def find() -> bytes | None:
            return self.values.get(key)

        return find

    def make(self, key: str) -> Callable[[], Awaitable[bytes]]:
        async def make() -> bytes:
            self.made.append(key)
            await asyncio.sleep(0.05)
            self.values[key] = key.encode()
            return self.values[key]

        return make


def lock_files(folder: Path) -> list[str]:
    return [path.name for path in (folder / FOLDER).glob("*")]


def test_many_holders_make_each_key_once_and_leave_no_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        shared = Shared()
        flights = [ClusterFlight(FileLeases(tmp_path)) for _ in range(4)]
        keys = [f"some/key{number}.png" for number in range(25)]
        answers = await asyncio.gather(
            *(f.run(k, shared.find(k), shared.make(k)) for k in keys for f in flights)
        )
        assert answers == [key.encode() for key in keys for _ in flights]
        assert sorted(shared.made) == sorted(keys)
        assert sum(f.waited for f in flights) > 0
        await wait_until_async(lambda: not lock_files(tmp_path), "all are released")
        for each in flights:
            await each.close()

    asyncio.run(scenario())


def test_a_lease_has_one_holder_until_its_block_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, other = FileLeases(tmp_path), FileLeases(tmp_path)
        assert not await other.taken("k")
        async with one.held("k") as held:
            assert held
            assert await other.taken("k")
            async with other.held("k") as also, one.held("k") as again, other.held("j") as apart:
                assert (also, again, apart) == (False, False, True)
        await wait_until_async(lambda: not lock_files(tmp_path))
        assert not await other.taken("k")
        async with other.held("k") as held:
            assert held
        await one.close()
        await other.close()

    asyncio.run(scenario())


def test_a_lock_on_a_removed_file_is_no_lease(tmp_path: Path) -> None:
    """Its holder removed the file after another had opened it, and a third made a new one."""
    path = tmp_path / "key"
    opened = file_lease._open(path)
    path.unlink()
    third = file_lease._take(path)
    assert third is not None
    assert file_lease._lock(opened), "the removed file is free"
    os.close(opened)
    assert file_lease._take(path) is None, "the name is the third's"
    file_lease._release(path, third)
    assert not path.exists()


def test_a_folder_that_fails_grants_every_lease(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("no folder")

    async def scenario() -> None:
        leases = FileLeases(tmp_path)
        async with leases.held("k") as held, leases.held("k") as also:
            assert held
            assert also
        assert not await leases.taken("k")
        assert leases.breaker.is_open
        await leases.close()

    asyncio.run(scenario())


def test_a_folder_that_hangs_grants_a_lease_and_holds_none_once_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, take, taken = threading.Event(), file_lease._take, []

    def hang(path: Path) -> int | None:
        assert answers.wait(LIMIT_SECONDS)
        handle = take(path)
        taken.append(path)
        return handle

    monkeypatch.setattr(file_lease, "_take", hang)
    monkeypatch.setattr(file_lease, "CALL_SECONDS", 0.05)

    async def scenario() -> None:
        leases = FileLeases(tmp_path)
        async with leases.held("k") as held:
            assert held
            assert leases.breaker.is_open
        answers.set()
        await wait_until_async(lambda: taken and not lock_files(tmp_path), "released at once")
        await leases.close()

    asyncio.run(scenario())


def test_a_cancelled_caller_holds_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        leases = FileLeases(tmp_path)

        async def hold() -> None:
            while True:  # the one before may not have let go yet
                async with leases.held("k") as granted:
                    if granted:
                        await asyncio.sleep(LIMIT_SECONDS)
                await asyncio.sleep(0.01)

        for _ in range(20):  # before, while and after the lock is taken
            holder = asyncio.create_task(hold())
            await asyncio.sleep(0)
            holder.cancel()
            await asyncio.gather(holder, return_exceptions=True)
        holder = asyncio.create_task(hold())
        await wait_until_async(lambda: lock_files(tmp_path))
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        await wait_until_async(lambda: not lock_files(tmp_path))
        await leases.close()

    asyncio.run(scenario())


HOLDER = """
import asyncio, sys
from pathlib import Path
from cache.file_lease import FileLeases

async def main():
    async with FileLeases(Path(sys.argv[1])).held("k") as held:
        print(held, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_lease_of_a_killed_process_is_free_and_its_file_goes(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        held = lock_files(tmp_path)

        async def taken() -> bool:
            leases = FileLeases(tmp_path)  # leaves what is held
            try:
                return await leases.taken("k")
            finally:
                await leases.close()

        assert asyncio.run(taken())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not asyncio.run(taken())
    assert len(held) == 1
    assert lock_files(tmp_path) == [], "the next to start removes what was left"


def test_the_disk_tier_passes_over_lock_files(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", 2**20)
    file_lease._take(store.folder / FOLDER / "0123")
    store.put("a/b.png", b"value")
    store.close()
    again = DiskStore(tmp_path / "cache", 2**20)
    assert [entry.key for entry in again.entries()] == ["a/b.png"]
    assert (store.folder / FOLDER / "0123").exists()


def test_a_deleted_folder_that_a_lease_makes_anew_is_a_cache_again(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", 2**20)
    shutil.rmtree(store.folder)
    file_lease._take(store.folder / FOLDER / "0123")
    store.put("a/b.png", b"value")
    assert store.dropped == 0
    assert value(DiskStore(tmp_path / "cache", 2**20), "a/b.png") == b"value"
