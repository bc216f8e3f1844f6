"""The form in which values leave the process: with their age and a digest.

    OZ02 | written, float64 | digest of key, written and value | value

Content that was cut, flipped, put under another key or never ours does not open.
"""

from __future__ import annotations

import hashlib
import struct

from cache.store import Kept

MAGIC = b"OZ02"
DIGEST_BYTES = 16
_AGE = struct.Struct(">d")
HEADER_BYTES = len(MAGIC) + _AGE.size + DIGEST_BYTES


def sealed(key: str, kept: Kept) -> bytes:
    """A value of a key as it is stored."""
    return _header(key, kept) + kept.value


def opened(key: str, content: bytes) -> Kept | None:
    """The value that was sealed under the key; None where the content is anything else."""
    if len(content) < HEADER_BYTES:
        return None
    kept = Kept(content[HEADER_BYTES:], written(content))
    return kept if content[:HEADER_BYTES] == _header(key, kept) else None


def written(content: bytes) -> float:
    """When the value was made, by a header that is not checked; 0 where there is none."""
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        return 0.0
    return float(_AGE.unpack_from(content, len(MAGIC))[0])


def _header(key: str, kept: Kept) -> bytes:
    age = _AGE.pack(kept.written)
    digest = hashlib.blake2b(key.encode() + b"\0" + age, digest_size=DIGEST_BYTES)
    digest.update(kept.value)
    return MAGIC + age + digest.digest()
