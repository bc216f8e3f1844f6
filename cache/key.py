"""Tile keys: from the fingerprint of everything that decides a tile's bytes to path and ETag."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from typing import Any

KEY_FORMAT = 1
"""Part of every fingerprint: raised when the same values come to be written in another way."""

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


def fingerprint(**values: object) -> str:
    """The digest of named values: equal for equal values, whatever the classes that hold them.

    Raises TypeError for what has no canonical form.
    """
    return hashlib.sha256(canonical_text(values).encode()).hexdigest()[:16]


def canonical_text(values: Mapping[str, object]) -> str:
    """Named values as JSON with sorted keys, with the number of this form.

    Dataclasses and named tuples are written as their fields, floats as the shortest decimals
    that are the same float (`repr`), those that are not finite as the member "float".
    """
    document = {"format": KEY_FORMAT, "values": _plain(values)}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: object) -> Any:
    """A value as JSON has it."""
    named = _named(value)
    if named is not None:
        return {name: _plain(item) for name, item in named.items()}
    match value:
        case None | bool() | int():
            return value
        case float():
            return float(value) if isfinite(value) else {"float": repr(float(value))}
        case str():
            return str(value)
        case tuple() | list():
            return [_plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no canonical form")


def _named(value: object) -> Mapping[str, object] | None:
    """The values that a mapping, a named tuple or a dataclass holds by name; None: it is none."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    return None
