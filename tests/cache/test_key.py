from __future__ import annotations

from dataclasses import replace

from cache.key import TileKey, fingerprint

KEY = TileKey("f" * 16, "WebMercatorQuad", 20, 3, 4, "png")


def test_every_field_changes_the_key() -> None:
    changes = {
        "fingerprint": "e" * 16, "grid": "NZTM2000Quad", "zoom": 21, "col": 4, "row": 3,
        "format": "webp",
    }  # fmt: skip
    digests = {replace(KEY, **{name: value}).digest for name, value in changes.items()}
    assert len(digests | {KEY.digest}) == len(changes) + 1


def test_an_etag_is_strong_and_quoted() -> None:
    assert KEY.etag == f'"{KEY.digest}"'
    assert len(KEY.digest) == 40


def test_fingerprints_tell_values_apart() -> None:
    assert fingerprint("a", 1) != fingerprint("a", "1")
    assert fingerprint("a", 1) == fingerprint("a", 1)
