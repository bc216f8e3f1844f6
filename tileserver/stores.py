"""The tiers of the cache and the leases of the cluster, as the settings say."""

from __future__ import annotations

import logging
import re

from cache import (
    ClusterFlight,
    DiskFolder,
    DiskStore,
    FileLeases,
    Leases,
    MemoryStore,
    ObjectStore,
    RedisStore,
    Store,
    Tiered,
    WriteBehind,
    file_lease,
)
from cache.time_limit import CALL_SECONDS
from tileserver.errors import CommandError, StartupError
from tileserver.settings.cache import CacheSettings

logger = logging.getLogger(__name__)


def open_store(settings: CacheSettings, *, behind: bool = True) -> Tiered:
    """Memory, disk, Redis and object store, as far as they are set.

    behind: write to the object store in the background, and skip a tier that does not answer in
    time, as servers do; else a call returns when all tiers are done. A disk tier is left out if its
    folder cannot be created. Raises StartupError for an unsupported URL.
    """
    ttl = settings.ttl_seconds
    tiers: list[Store] = [MemoryStore(settings.memory_bytes, ttl)]
    if settings.disk_bytes > 0:
        try:
            tiers.append(DiskStore(settings.disk_folder(), settings.disk_bytes, ttl))
        except OSError as error:
            logger.warning("no disk cache: %s", error)
    tiers += _open_services(settings, behind=behind)
    return Tiered(tiers, CALL_SECONDS if behind else None)


def open_for_commands(settings: CacheSettings) -> list[Store]:
    """The tiers that outlive a process, as they lie: the bounds of the disk tier are its server's.

    Raises StartupError for an unsupported URL, CommandError if there is no such tier, or if the
    disk tier's folder is no cache.
    """
    tiers: list[Store] = []
    if settings.disk_bytes > 0:
        try:
            tiers.append(DiskFolder(settings.disk_folder(), settings.ttl_seconds))
        except OSError as error:
            raise CommandError(str(error)) from error
    tiers += _open_services(settings, behind=False)
    if not tiers:
        raise CommandError("the cache has no tier on a disk, in Redis or in an object store")
    return tiers


def tier_places(settings: CacheSettings) -> dict[str, str]:
    """Where the tiers that outlive a process are, by their names; URLs without secrets."""
    places = {}
    if settings.disk_bytes > 0:
        places["disk"] = str(settings.disk_folder().absolute())
    for name, url in (("redis", settings.redis_url), ("objects", settings.object_store_url)):
        if url is not None:
            places[name] = without_secrets(url.get_secret_value())
    return places


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest)[0]
    if "@" in rest[len(authority) :]:  # the / ? or # may be a password's
        return f"{scheme}://..."
    path = re.split("[?#]", rest[len(authority) :])[0]
    return f"{scheme}://{authority.rpartition('@')[2]}{path}"


def open_cluster(settings: CacheSettings, store: Tiered) -> ClusterFlight | None:
    """One computation a key for all servers of a Redis, or else for all that share a cache folder.

    store: the tiers that were opened. None where they share neither.
    """
    if settings.redis_url is None:
        disks = [tier for tier in store.tiers if isinstance(tier, DiskStore)]
        if not disks or not file_lease.SUPPORTED:
            return None
        return ClusterFlight(FileLeases(disks[0].folder))
    try:
        leases = Leases(settings.redis_url.get_secret_value(), settings.redis_prefix)
    except ValueError as error:
        raise _not_redis() from error
    return ClusterFlight(leases)


def _open_services(settings: CacheSettings, *, behind: bool) -> list[Store]:
    tiers: list[Store] = []
    if settings.redis_url is not None:
        url, ttl = settings.redis_url.get_secret_value(), settings.ttl_seconds
        tiers.append(_redis(url, settings.redis_prefix, ttl))
    if settings.object_store_url is not None:
        objects = _objects(settings.object_store_url.get_secret_value(), settings)
        tiers.append(WriteBehind(objects) if behind else objects)
    return tiers


def _redis(url: str, prefix: str, ttl_seconds: float | None) -> RedisStore:
    try:
        return RedisStore(url, prefix, ttl_seconds)
    except ValueError as error:
        raise _not_redis() from error


def _not_redis() -> StartupError:
    # Without the reason, which may quote a part of the password.
    return StartupError("cache.redis_url: not a redis://, rediss:// or unix:// URL")


def _objects(url: str, settings: CacheSettings) -> ObjectStore:
    options = {n: value.get_secret_value() for n, value in settings.object_store_options.items()}
    try:
        return ObjectStore(url, options, settings.ttl_seconds)
    except ValueError as error:
        reason = str(error).replace(url, "...")
        raise StartupError(f"cache.object_store_url and its options: {reason}") from error
