"""Tile keys: from the fingerprint of everything that decides a tile's bytes to path and ETag."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_ELEMENT = r"[A-Za-z0-9_][A-Za-z0-9_.@~+-]{0,127}"
_KEY = re.compile(rf"{_ELEMENT}(/{_ELEMENT}){{0,15}}")
_TILE = re.compile(r"([^/]+)/([^/]+)/([^/]+)/(\d{1,2})/(\d{1,10})/(\d{1,10})\.(\w+)")


@dataclass(frozen=True, slots=True)
class TileKey:
    """One tile's address. Equal keys mean equal bytes, on any machine at any time."""

    source: str
    fingerprint: str
    """Digest of the source's version, checkpoint, schedule, lattice, noise_seed and encoding."""
    grid: str
    """Identifier of the tile matrix set."""
    zoom: int
    col: int
    row: int
    format: str

    @property
    def folder(self) -> str:
        """The part of the path that all tiles of a zoom share, without a slash at its end."""
        return f"{self.source}/{self.fingerprint}/{self.grid}/{self.zoom}"

    @property
    def path(self) -> str:
        """The key in every store, and the file's place in the disk tier."""
        return f"{self.folder}/{self.col}/{self.row}.{self.format}"

    @property
    def etag(self) -> str:
        """A strong ETag: known without looking anything up."""
        return f'"{hashlib.sha256(self.path.encode()).hexdigest()[:40]}"'

    @classmethod
    def parse(cls, path: str) -> TileKey | None:
        """The key of a path; None where it is no tile's."""
        found = _TILE.fullmatch(path)
        if found is None:
            return None
        source, digest, grid, zoom, col, row, format = found.groups()
        return cls(source, digest, grid, int(zoom), int(col), int(row), format)


def is_key(text: str) -> bool:
    """Whether a text is a path that neither leaves a folder nor matches as a pattern."""
    return _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """The key; raises ValueError where it is none."""
    if not is_key(key):
        raise ValueError(f"not a key: {key!r}")
    return key


def fingerprint(*parts: object) -> str:
    """The digest of anything with a repr that states all of its values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
