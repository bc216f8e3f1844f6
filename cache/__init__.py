"""Bytes and where they are kept: bounded, and never trusted.

    Tiered.get(key) -> memory -> disk -> redis -> objects    first hit wins, is copied upward
    Tiered.put(key) -> memory, disk, redis; objects behind the request (behind)
    SingleFlight.run(key, work)            one computation a key, shared by all who wait
    ClusterFlight.run(key, found, work)    one in all servers of a Redis (lease)

What leaves the process carries its age and a digest (envelope). A service that fails is left alone
for some seconds (breaker), and so is a tier that does not answer in time (time_limit). A store may
lose anything at any time; a miss is None. Whatever goes wrong inside a store costs time, never a
tile. Keys hold the fingerprint of all that decides the bytes (key), so nothing is ever stale.
"""

from cache.behind import Behind
from cache.cluster_flight import ClusterFlight
from cache.disk import DiskStore
from cache.key import TileKey
from cache.lease import Leases
from cache.memory import MemoryStore
from cache.objects import ObjectStore
from cache.redis import RedisStore
from cache.single_flight import SingleFlight
from cache.store import Entry, Kept, Store
from cache.tiered import Tiered
from cache.time_limit import TimeLimit

__all__ = [
    "Behind",
    "ClusterFlight",
    "DiskStore",
    "Entry",
    "Kept",
    "Leases",
    "MemoryStore",
    "ObjectStore",
    "RedisStore",
    "SingleFlight",
    "Store",
    "Tiered",
    "TileKey",
    "TimeLimit",
]
