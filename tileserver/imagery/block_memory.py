"""One bounded cache for the blocks of all sources and zooms."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from threading import Lock

from cachetools import LRUCache

from engine.imagery import BlockMemo, Pixels

Place = tuple[int, int]
Section = tuple[str, ...]


class BlockMemory:
    """An LRU cache of blocks, bounded in bytes; thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self.lock = Lock()
        self.blocks: LRUCache[tuple[Section, Place], Pixels] = LRUCache(
            max_bytes, getsizeof=lambda pixels: pixels.nbytes
        )

    def section(self, name: Section) -> BlockMemo:
        """The part of the cache that holds one imagery's blocks."""
        return _Section(self, name)

    def forget(self, prefix: Section) -> None:
        """Drop the blocks of all sections whose names start with a prefix."""
        with self.lock:
            places = [place for place in self.blocks if place[0][: len(prefix)] == prefix]
            for place in places:
                del self.blocks[place]


class _Section(MutableMapping[Place, Pixels]):
    def __init__(self, memory: BlockMemory, name: Section) -> None:
        self.memory, self.name = memory, name

    def __getitem__(self, place: Place) -> Pixels:
        with self.memory.lock:
            return self.memory.blocks[self.name, place]

    def __setitem__(self, place: Place, pixels: Pixels) -> None:
        if pixels.nbytes <= self.memory.blocks.maxsize:
            with self.memory.lock:
                self.memory.blocks[self.name, place] = pixels

    def __delitem__(self, place: Place) -> None:
        with self.memory.lock:
            del self.memory.blocks[self.name, place]

    def __iter__(self) -> Iterator[Place]:
        with self.memory.lock:
            places = [place for name, place in self.memory.blocks if name == self.name]
        return iter(places)

    def __len__(self) -> int:
        return len(list(iter(self)))
