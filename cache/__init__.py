"""Caches of bytes: bounded in size, checksummed when read.

    Tiered.get(key) -> memory -> disk -> redis -> objects    the first hit is copied to faster tiers
    Tiered.put(key) -> memory, disk, redis; objects asynchronously (write_behind)
    SingleFlight.run(key, work)              one computation a key in this process
    ClusterFlight.run(key, look_up, work)    one in all processes that share a Redis (lease) or a
                                             folder (file_lease)

    store         what every tier implements; memory, disk (disk_index, files), redis, objects
    disk_folder   the disk tier as it lies, for commands: they evict nothing
    key           tile keys, fingerprints and ETags
    envelope      stored form of a value outside the process: its age, a digest, its bytes
    breaker       circuit breaker: a failing service is skipped for some seconds
    time_limit    a tier that does not answer in time is skipped

A store may lose anything at any time; a miss is None. A failure inside a store costs time, never
a tile; only listings, which servers do not need, raise StoreFailed. Keys contain the fingerprint of
everything that decides the bytes, so no value is stale.
"""

from cache.cluster_flight import ClusterFlight
from cache.disk import DiskStore
from cache.disk_folder import DiskFolder
from cache.file_lease import FileLeases
from cache.key import TileKey
from cache.lease import Leases
from cache.memory import MemoryStore
from cache.objects import ObjectStore
from cache.redis import RedisStore
from cache.single_flight import SingleFlight
from cache.store import CachedValue, Entry, Store, StoreFailed
from cache.tiered import Found, Tiered
from cache.time_limit import TimeLimit
from cache.write_behind import WriteBehind

__all__ = [
    "CachedValue",
    "ClusterFlight",
    "DiskFolder",
    "DiskStore",
    "Entry",
    "FileLeases",
    "Found",
    "Leases",
    "MemoryStore",
    "ObjectStore",
    "RedisStore",
    "SingleFlight",
    "Store",
    "StoreFailed",
    "Tiered",
    "TileKey",
    "TimeLimit",
    "WriteBehind",
]
