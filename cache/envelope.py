"""The stored form of a value outside the process: its age and a digest precede it.

    OZ02 | written, float64 | digest of key, written and value | value

Truncated, corrupted or foreign content, and content stored under another key, does not unpack.
"""

from __future__ import annotations

import hashlib
import struct

from cache.store import CachedValue

MAGIC = b"OZ02"
DIGEST_BYTES = 16
_AGE = struct.Struct(">d")
HEADER_BYTES = len(MAGIC) + _AGE.size + DIGEST_BYTES


def pack(key: str, cached: CachedValue) -> bytes:
    """The bytes to store for a key's value."""
    return _header(key, cached) + cached.value


def unpack(key: str, content: bytes) -> CachedValue | None:
    """The value that was packed under the key; None if the digest does not match."""
    if len(content) < HEADER_BYTES:
        return None
    cached = CachedValue(content[HEADER_BYTES:], read_written(content))
    return cached if content[:HEADER_BYTES] == _header(key, cached) else None


def read_written(content: bytes) -> float:
    """When the value was made (seconds since 1970), not verified; 0 without a header."""
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        return 0.0
    return float(_AGE.unpack_from(content, len(MAGIC))[0])


def _header(key: str, cached: CachedValue) -> bytes:
    age = _AGE.pack(cached.written)
    digest = hashlib.blake2b(key.encode() + b"\0" + age, digest_size=DIGEST_BYTES)
    digest.update(cached.value)
    return MAGIC + age + digest.digest()
