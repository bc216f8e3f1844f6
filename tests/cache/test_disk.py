from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache import DiskStore
from cache.disk_folder import TAG
from cache.disk_index import BLOCK_BYTES
from tests.support.machine import needs_mount
from tests.support.store_contract import (
    VALUE,
    AgingContract,
    BoundedContract,
    StoreContract,
    finish_scans,
    tile,
    value,
)
from tests.support.waiting import wait_until

MEBIBYTE = 2**20


class TestDiskStore(StoreContract, AgingContract, BoundedContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DiskStore:
        return DiskStore(tmp_path / "cache", 512 * 1024)

    @pytest.fixture
    def aging(self, tmp_path: Path) -> DiskStore:
        return DiskStore(tmp_path / "cache", 512 * 1024, ttl_seconds=3600)

    def test_a_file_lies_where_its_key_says(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE)
        assert (store.folder / tile(1)).is_file()

    def test_no_key_leaves_the_folder(self, store: DiskStore) -> None:
        for key in ("../outside", "a/../../outside", "/outside"):
            for use in (store.get, store.has, store.remove, lambda k: store.put(k, VALUE)):
                with pytest.raises(ValueError, match="not a key"):
                    use(key)
        assert [path.name for path in store.folder.parent.iterdir()] == ["cache"]

    def test_empty_folders_go_with_their_last_file(self, store: DiskStore) -> None:
        for number in (1, 2, 8):
            store.put(tile(number), VALUE)
        store.remove(tile(1))
        assert (store.folder / tile(8)).parent.is_dir()
        store.remove(tile(8))
        assert not (store.folder / tile(8)).parent.exists()
        store.remove(tile(2))
        assert [path.name for path in store.folder.iterdir()] == ["CACHEDIR.TAG"]

    def test_values_outlive_the_process(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE)
        again = DiskStore(store.folder, store.max_bytes)
        assert again.used_bytes == store.used_bytes > len(VALUE)
        assert value(again, tile(1)) == VALUE

    def test_recency_outlives_the_process(self, store: DiskStore) -> None:
        for number in range(10):
            store.put(tile(number), VALUE)
            os.utime(store.folder / tile(number), (number, number))
        assert store.get(tile(3)) is not None
        again = DiskStore(store.folder, 4 * 12 * 1024)
        assert value(again, tile(3)) == VALUE
        assert again.get(tile(0)) is None

    def test_age_outlives_the_process_and_its_use(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE, time.time() - 100)
        assert store.get(tile(1)) is not None, "used now, made long ago"
        assert DiskStore(store.folder, store.max_bytes, ttl_seconds=50).get(tile(1)) is None

    def test_what_was_not_used_for_its_lifetime_is_cleared_at_start(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE)
        store.put(tile(2), VALUE)
        hour_ago = time.time() - 3600
        os.utime(store.folder / tile(1), (hour_ago, hour_ago))
        DiskStore(store.folder, store.max_bytes, ttl_seconds=1800)
        assert [p.name for p in store.folder.rglob("*.png")] == ["2.png"]

    @pytest.mark.parametrize("harm", ["cut", "flip", "age", "empty", "foreign", "moved"])
    def test_a_corrupt_file_is_a_miss_and_goes(self, store: DiskStore, harm: str) -> None:
        store.put(tile(1), VALUE)
        path = store.folder / tile(1)
        content = bytearray(path.read_bytes())
        if harm == "cut":
            del content[-100:]
        elif harm == "flip":
            content[len(content) // 2] ^= 1
        elif harm == "age":
            content[8] ^= 1
        elif harm == "empty":
            content.clear()
        elif harm == "moved":
            store.put(tile(2), VALUE[::-1])
            content = bytearray((store.folder / tile(2)).read_bytes())
        else:
            content[:4] = b"GIF8"
        path.write_bytes(content)
        assert store.get(tile(1)) is None
        assert not path.exists()
        store.put(tile(1), VALUE)
        assert value(store, tile(1)) == VALUE

    @needs_mount
    def test_a_full_disk_costs_the_value_and_nothing_else(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
        try:
            store = DiskStore(disk, 10**9)
            for number in range(60):
                store.put(tile(number), VALUE)
            values = [value(store, tile(number)) for number in range(60)]
            assert {found for found in values if found is not None} == {VALUE}
            assert values[-1] is not None, "room is made once the disk is full"
            assert None in values
            assert not list(disk.rglob("*.partial"))
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_folder_that_vanishes_is_a_miss_and_comes_back(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE)
        shutil.rmtree(store.folder)
        assert store.get(tile(1)) is None
        store.put(tile(1), VALUE)
        assert value(store, tile(1)) == VALUE

    def test_a_file_in_a_folders_place_is_a_miss(self, store: DiskStore) -> None:
        (store.folder / "scene").write_text("not a folder")  # as a stray key would be
        store.put(tile(1), VALUE)
        store.remove(tile(1))
        assert store.get(tile(1)) is None
        assert not store.has(tile(1))

    def test_abandoned_partial_files_are_cleared_and_never_listed(self, store: DiskStore) -> None:
        store.put(tile(1), VALUE)
        old, new = (store.folder / f"scene/.{name}.partial" for name in ("old", "new"))
        for path in (old, new):
            path.write_bytes(VALUE)
        os.utime(old, (1, 1))
        again = DiskStore(store.folder, store.max_bytes)
        assert not old.exists()
        assert new.exists(), "its writer may be alive"
        assert list(again.keys()) == [tile(1)]

    def test_files_of_other_names_are_neither_counted_nor_touched(self, store: DiskStore) -> None:
        stray = store.folder / "notes on tiles (1).txt"
        stray.write_bytes(bytes(10**6))
        os.utime(stray, (1, 1))
        again = DiskStore(store.folder, store.max_bytes)
        assert list(again.keys()) == []
        for number in range(100):
            again.put(tile(number), VALUE)
        assert stray.exists()
        assert again.used_bytes <= again.max_bytes

    @pytest.mark.slow
    def test_killed_in_mid_write_it_keeps_whole_values_or_none(self, tmp_path: Path) -> None:
        for _ in range(6):
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            writer.stdout.readline()
            wait_until((tmp_path / f"{0:040x}").exists)
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        store = DiskStore(tmp_path, 10**9)
        values = [value(store, f"{number:040x}") for number in range(50)]
        found = [content for content in values if content is not None]
        assert found
        assert all(len(content) == 3_000_000 and len(set(content)) == 1 for content in found)

    @pytest.mark.slow
    def test_several_processes_share_a_quota(self, tmp_path: Path) -> None:
        quota = 16 * MEBIBYTE
        first = DiskStore(tmp_path, quota)
        command = [sys.executable, "-c", SHARER, str(tmp_path), str(quota)]
        others = [subprocess.Popen([*command, name]) for name in "abc"]
        highest = 0

        def have_ended() -> bool:
            nonlocal highest
            for process in others:
                process.send_signal(signal.SIGSTOP)  # or what moves is counted twice
            highest = max(highest, _bytes_in(tmp_path))
            for process in others:
                process.send_signal(signal.SIGCONT)
            return all(process.poll() is not None for process in others)

        wait_until(have_ended)
        assert all(process.returncode == 0 for process in others)
        print(f"highest {highest / MEBIBYTE:.1f} MiB of {quota / MEBIBYTE:.0f}")
        slack = 4 * MEBIBYTE  # a mebibyte a process before it looks again
        assert 10 * MEBIBYTE < highest <= quota + slack
        for number in range(60):
            first.put(tile(number, "first"), bytes(40_000))
        finish_scans()  # it knows now of what the others left
        first.put(tile(60, "first"), bytes(40_000))
        assert _bytes_in(tmp_path) <= quota

    def test_a_process_that_was_idle_does_not_clear_what_others_made(self, tmp_path: Path) -> None:
        quota = 8 * MEBIBYTE
        idle, busy = DiskStore(tmp_path, quota), DiskStore(tmp_path, quota)
        idle.put(tile(0, "idle"), VALUE)
        for number in range(180):
            busy.put(tile(number), bytes(40_000))
        for number in range(40):  # and looks
            idle.put(tile(number, "idle"), bytes(40_000))
        finish_scans()
        idle.put(tile(40, "idle"), bytes(40_000))
        assert 0.75 * quota < _bytes_in(tmp_path) <= quota

    def test_a_folder_with_other_things_in_it_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "lost+found").mkdir()
        DiskStore(tmp_path / "lost+found" / "..", 10**6)
        (tmp_path / "thesis.txt").write_text("years of work")
        assert DiskStore(tmp_path, 10**6).used_bytes > 0, "it is a cache by now"
        (tmp_path / "CACHEDIR.TAG").unlink()
        with pytest.raises(FileExistsError, match=r"CACHEDIR\.TAG"):
            DiskStore(tmp_path, 10**6)

    def test_claiming_a_folder_while_others_write_to_it_is_no_fault(
        self, store: DiskStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.rmtree(store.folder)
        listed, listdir = list[Path](), os.listdir

        def meanwhile(folder: Path) -> list[str]:
            listed.append(folder)
            before = listdir(folder)
            if len(listed) == 1:  # another thread writes before this one looks
                store.put(tile(2), VALUE)
                return [name for name in listdir(folder) if name != TAG]
            return before

        monkeypatch.setattr("cache.disk_folder.os.listdir", meanwhile)
        store.put(tile(1), VALUE)
        assert listed.count(store.folder) == 2
        assert store.dropped == 0
        assert [value(store, tile(number)) for number in (1, 2)] == [VALUE, VALUE]

    def test_nothing_is_written_before_the_folder_is_tagged(self, store: DiskStore) -> None:
        shutil.rmtree(store.folder)
        store.folder.mkdir()  # another thread has come so far
        store.put(tile(1), VALUE)
        assert (store.folder / TAG).exists()
        assert DiskStore(store.folder, store.max_bytes).has(tile(1))

    @pytest.mark.parametrize("left", [[".probes.json"], [tile(1)], [tile(1), ".leases/0123"]])
    def test_a_cache_that_was_emptied_by_hand_is_one_again(
        self, store: DiskStore, left: list[str]
    ) -> None:
        store.put(tile(1), VALUE)
        for path in store.folder.iterdir():  # as `rm -rf cache/*`, while others write
            if path.is_file():
                path.unlink()
            elif tile(1) not in left:
                shutil.rmtree(path)
        for name in left:
            (store.folder / name).parent.mkdir(exist_ok=True)
            (store.folder / name).touch()
        store.put(tile(2), VALUE)
        assert store.dropped == 0
        assert value(store, tile(2)) == VALUE
        assert value(DiskStore(store.folder, store.max_bytes), tile(2)) == VALUE
        (store.folder / TAG).unlink()
        assert value(DiskStore(store.folder, store.max_bytes), tile(2)) == VALUE

    def test_hidden_folders_are_not_cleared(self, store: DiskStore) -> None:
        (store.folder / ".others").mkdir()
        other = store.folder / ".others/download.partial"
        other.touch()
        os.utime(other, (1, 1))
        assert list(DiskStore(store.folder, store.max_bytes).entries()) == []
        assert other.exists()

    def test_a_negative_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="negative"):
            DiskStore(Path("unused"), -1)


def _bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size = os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
            total += -(-size // BLOCK_BYTES) * BLOCK_BYTES
    return total


WRITER = """
import sys
from pathlib import Path
from cache import DiskStore
store = DiskStore(Path(sys.argv[1]), 10**9)
print("ready", flush=True)
for number in range(10**6):
    store.put(f"{number % 50:040x}", bytes([number % 251]) * 3_000_000)
"""

SHARER = """
import sys
from pathlib import Path
from cache import DiskStore
store = DiskStore(Path(sys.argv[1]), int(sys.argv[2]))
for number in range(1000):
    key = f"{sys.argv[3]}/f/g/1/{number % 7}/{number}.png"
    store.put(key, bytes(40_000))
    store.get(key)
"""
