"""One contract for every store, and what each adds to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache import DiskStore, MemoryStore, Store, Tiered

VALUE = bytes(range(256)) * 40


class StoreContract:
    """What any store must do; subclasses provide the `store` fixture."""

    def test_a_miss_is_none(self, store: Store) -> None:
        assert store.get("00" * 20) is None

    def test_a_value_comes_back_as_it_was_put(self, store: Store) -> None:
        store.put("ab" * 20, VALUE)
        store.put("cd" * 20, b"")
        assert store.get("ab" * 20) == VALUE
        assert store.get("cd" * 20) == b""

    def test_a_later_value_replaces_an_earlier(self, store: Store) -> None:
        store.put("ab" * 20, VALUE)
        store.put("ab" * 20, b"other")
        assert store.get("ab" * 20) == b"other"

    def test_it_stays_within_its_bytes_and_keeps_what_was_used_last(self, store: Store) -> None:
        for number in range(100):
            store.put(f"{number:040x}", VALUE)
            assert store.get(f"{0:040x}") == VALUE, "used all the time, never evicted"
        kept = [number for number in range(100) if store.get(f"{number:040x}") is not None]
        assert 0 in kept
        assert 99 in kept
        assert len(kept) < 60
        assert store.used_bytes <= 512 * 1024  # type: ignore[attr-defined]

    def test_a_value_larger_than_the_store_is_not_kept(self, store: Store) -> None:
        store.put("ab" * 20, bytes(600 * 1024))
        assert store.get("ab" * 20) is None


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore(512 * 1024)


class TestDiskStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DiskStore:
        return DiskStore(tmp_path / "cache", 512 * 1024)

    def test_values_outlive_the_process(self, store: DiskStore) -> None:
        store.put("ab" * 20, VALUE)
        again = DiskStore(store.folder, store.max_bytes)
        assert again.used_bytes == store.used_bytes
        assert again.get("ab" * 20) == VALUE

    def test_recency_outlives_the_process(self, store: DiskStore) -> None:
        for number in range(10):
            store.put(f"{number:040x}", VALUE)
            os.utime(store.folder / "00" / f"{number:040x}", (number, number))
        assert store.get(f"{3:040x}") is not None
        again = DiskStore(store.folder, 4 * 12 * 1024)
        assert again.get(f"{3:040x}") == VALUE
        assert again.get(f"{0:040x}") is None

    @pytest.mark.parametrize("harm", ["cut", "flip", "empty", "foreign"])
    def test_a_corrupt_file_is_a_miss_and_goes(self, store: DiskStore, harm: str) -> None:
        key = "ab" * 20
        store.put(key, VALUE)
        path = store.folder / key[:2] / key
        content = bytearray(path.read_bytes())
        if harm == "cut":
            del content[-100:]
        elif harm == "flip":
            content[len(content) // 2] ^= 1
        elif harm == "empty":
            content.clear()
        else:
            content[:4] = b"GIF8"
        path.write_bytes(content)
        assert store.get(key) is None
        assert not path.exists()
        store.put(key, VALUE)
        assert store.get(key) == VALUE

    def test_a_full_disk_costs_the_value_and_nothing_else(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
        try:
            store = DiskStore(disk, 10**9)
            for number in range(60):
                store.put(f"{number:040x}", VALUE)
            values = [store.get(f"{number:040x}") for number in range(60)]
            assert {value for value in values if value is not None} == {VALUE}
            assert values[-1] is not None, "room is made once the disk is full"
            assert None in values
            assert not list(disk.glob("*/*.partial"))
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_folder_that_vanishes_is_a_miss(self, store: DiskStore) -> None:
        store.put("ab" * 20, VALUE)
        for path in sorted(store.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        assert store.get("ab" * 20) is None

    def test_killed_in_mid_write_it_keeps_whole_values_or_none(self, tmp_path: Path) -> None:
        for _ in range(6):
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        store = DiskStore(tmp_path, 10**9)
        values = [store.get(f"{number:040x}") for number in range(50)]
        found = [value for value in values if value is not None]
        assert found
        assert all(len(value) == 3_000_000 and len(set(value)) == 1 for value in found)


WRITER = """
import sys
from pathlib import Path
from cache import DiskStore
store = DiskStore(Path(sys.argv[1]), 10**9)
print("ready", flush=True)
for number in range(10**6):
    store.put(f"{number % 50:040x}", bytes([number % 251]) * 3_000_000)
"""


def test_a_hit_below_is_copied_upward_and_named(tmp_path: Path) -> None:
    memory, disk = MemoryStore(10**6), DiskStore(tmp_path, 10**6)
    tiered = Tiered([memory, disk])
    disk.put("ab" * 20, VALUE)
    assert tiered.get_fast("ab" * 20) is None
    assert tiered.get("ab" * 20) == (VALUE, "disk")
    assert tiered.get("ab" * 20) == (VALUE, "memory")
    assert tiered.get_fast("ab" * 20) == VALUE
    tiered.put("cd" * 20, VALUE)
    assert memory.get("cd" * 20) == disk.get("cd" * 20) == VALUE
    assert Tiered([]).get("ab" * 20) is None


@pytest.mark.parametrize("make", [MemoryStore, lambda size: DiskStore(Path("unused"), size)])
def test_negative_sizes_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="negative"):
        make(-1)  # type: ignore[operator]
