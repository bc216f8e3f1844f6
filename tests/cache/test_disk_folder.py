from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cache import DiskFolder, DiskStore, StoreFailed
from tests.support.store_contract import VALUE, tile, value


@pytest.fixture
def server(tmp_path: Path) -> DiskStore:
    """A server's store, with two values that were used long ago."""
    store = DiskStore(tmp_path / "cache", 10**6)
    for number in (1, 2):
        store.put(tile(number), VALUE, 1234.5)
        os.utime(store.folder / tile(number), (5, 5))
    return store


def test_what_a_server_stores_is_read_listed_and_removed(server: DiskStore) -> None:
    folder = DiskFolder(server.folder)
    assert value(folder, tile(1)) == VALUE
    assert folder.has(tile(1))
    assert sorted(folder.entries()) == sorted(server.entries())
    assert list(folder.keys(tile(2))) == [tile(2)]
    folder.remove(tile(1))
    assert list(server.keys()) == [tile(2)]
    assert folder.get(tile(1)) is None
    assert not folder.has(tile(1))


def test_reading_changes_nothing(server: DiskStore) -> None:
    (server.folder / tile(2)).write_bytes(b"corrupt")
    os.utime(server.folder / tile(2), (5, 5))
    folder = DiskFolder(server.folder, ttl_seconds=time.time() - 1500)
    folder.put(tile(3), VALUE)
    assert [folder.get(tile(number)) for number in (1, 2, 3)] == [None] * 3, "too old, corrupt"
    assert not folder.has(tile(1))
    assert value(DiskFolder(server.folder), tile(1)) == VALUE
    assert sorted(server.keys()) == [tile(1), tile(2)]
    assert {os.stat(server.folder / key).st_mtime for key, _ in server.entries()} == {5}


def test_what_cannot_be_listed_is_a_failure_but_not_what_has_gone(server: DiskStore) -> None:
    folder, seen = DiskFolder(server.folder), list[str]()
    for entry in folder.entries():
        seen.append(entry.key)
        server.remove(tile(2 if entry.key == tile(1) else 1))
    assert len(seen) == 1
    (server.folder / "loop").symlink_to("loop")  # an error that root gets, too
    with pytest.raises(StoreFailed, match=r"disk: .*loop"):
        list(folder.entries())
    assert list(DiskStore(server.folder, 10**6)._index._sizes) == seen, "a server goes on"


def test_a_value_that_stays_is_not_said_to_be_removed(server: DiskStore) -> None:
    assert server.remove(tile(1))
    (server.folder / tile(1)).mkdir(parents=True)
    assert not server.remove(tile(1))
    assert not DiskFolder(server.folder).remove(tile(1))


def test_a_folder_that_is_missing_is_empty_and_stays_missing(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path / "missing")
    assert list(folder.entries()) == []
    folder.remove(tile(1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"CACHEDIR\.TAG"):
        DiskFolder(tmp_path)
