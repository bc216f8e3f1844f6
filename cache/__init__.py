"""Bytes and where they are kept: bounded, and never trusted.

    Tiered.get(key) -> memory -> disk            first hit wins, and is copied upward
    Tiered.put(key) -> memory and disk
    SingleFlight.run(key, work)                  one computation a key, shared by all who wait

A store may lose anything at any time; a miss is None. Whatever goes wrong inside a store costs
time, never a tile. Keys hold the fingerprint of all that decides the bytes (key.py), so nothing
is ever stale.
"""

from cache.disk import DiskStore
from cache.key import TileKey
from cache.memory import MemoryStore
from cache.single_flight import SingleFlight
from cache.store import Entry, Kept, Store
from cache.tiered import Tiered

__all__ = [
    "DiskStore",
    "Entry",
    "Kept",
    "MemoryStore",
    "SingleFlight",
    "Store",
    "Tiered",
    "TileKey",
]
