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
"""Part of every fingerprint: raised when the canonical form of the same values changes."""
DIGEST_CHARS = 16
"""Length of a fingerprint, in hexadecimal digits."""

_ELEMENT = r"[A-Za-z0-9_][A-Za-z0-9_.@~+-]{0,127}"
_KEY = re.compile(rf"{_ELEMENT}(/{_ELEMENT}){{0,15}}")
_DIGEST = rf"[0-9a-f]{{{DIGEST_CHARS}}}"
_FINGERPRINT = re.compile(rf"{_DIGEST}-{_DIGEST}")
_PLACE = r"([0-9]{1,2})/([0-9]{1,10})/([0-9]{1,10})"
_TILE = re.compile(rf"([^/]+)/({_FINGERPRINT.pattern})/([^/]+)/{_PLACE}\.(\w+)")
"""Nobody else's: other services' tiles, beside which ours may lie in a bucket, have no digests."""


@dataclass(frozen=True, slots=True)
class TileKey:
    """One tile's address. Equal keys mean equal bytes, at any time, on processors of one model."""

    source: str
    fingerprint: str
    """Digests of the source's version and of the rendering, with "-" between them."""
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
        """A strong ETag, known without reading the tile."""
        return f'"{hashlib.sha256(self.path.encode()).hexdigest()[:40]}"'

    @classmethod
    def parse(cls, path: str) -> TileKey | None:
        """The key of a path; None if it is not a tile's."""
        found = _TILE.fullmatch(path)
        if found is None:
            return None
        source, digests, grid, zoom, col, row, format = found.groups()
        return cls(source, digests, grid, int(zoom), int(col), int(row), format)


def is_fingerprint(text: str) -> bool:
    """Whether a text has the form of a tile's fingerprint."""
    return _FINGERPRINT.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a text is a safe path: no `..`, no glob pattern, no absolute path."""
    return _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """The key itself; raises ValueError if it is not a safe path."""
    if not is_key(key):
        raise ValueError(f"not a key: {key!r}")
    return key


def fingerprint(**values: object) -> str:
    """A digest of named values: equal for equal values, whatever classes hold them.

    Raises TypeError for a value that has no canonical form.
    """
    return hashlib.sha256(canonical_text(values).encode()).hexdigest()[:DIGEST_CHARS]


def canonical_text(values: Mapping[str, object]) -> str:
    """Named values as JSON with sorted keys, and KEY_FORMAT.

    Dataclasses and named tuples become their fields, floats the shortest decimals that round-trip
    (`repr`), NaN and infinities an object {"float": ...}.
    """
    document = {"format": KEY_FORMAT, "values": _plain(values)}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: object) -> Any:
    """A value in JSON's types."""
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
    """The named values of a mapping, a named tuple or a dataclass; None for anything else."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    return None
