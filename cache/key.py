"""Tile keys: from the fingerprint of everything that decides a tile's bytes to path and ETag."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TileKey:
    """One tile's address. Equal keys mean equal bytes, on any machine at any time."""

    fingerprint: str
    """Digest of the source's version, checkpoint, schedule, lattice, noise_seed and encoding."""
    grid: str
    """Identifier of the tile matrix set."""
    zoom: int
    col: int
    row: int
    format: str

    @property
    def digest(self) -> str:
        """The key as 40 hexadecimal digits: a cache key and a file name."""
        address = f"{self.fingerprint}/{self.grid}/{self.zoom}/{self.col}/{self.row}.{self.format}"
        return hashlib.sha256(address.encode()).hexdigest()[:40]

    @property
    def etag(self) -> str:
        """A strong ETag: known without looking anything up."""
        return f'"{self.digest}"'


def fingerprint(*parts: object) -> str:
    """The digest of anything with a repr that states all of its values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
