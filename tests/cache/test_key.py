from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cache.key import TileKey, checked, fingerprint

KEY = TileKey("scene", "f" * 16, "WebMercatorQuad", 20, 3, 4, "png")


def test_every_field_changes_the_path_and_the_etag() -> None:
    changes: dict[str, Any] = {
        "source": "other", "fingerprint": "e" * 16, "grid": "NZTM2000Quad", "zoom": 21, "col": 4,
        "row": 3, "format": "webp",
    }  # fmt: skip
    keys = [KEY, *(replace(KEY, **{name: value}) for name, value in changes.items())]
    assert len({key.path for key in keys}) == len(keys)
    assert len({key.etag for key in keys}) == len(keys)


def test_a_path_reads_from_the_source_down_and_back_again() -> None:
    assert KEY.path == f"scene/{'f' * 16}/WebMercatorQuad/20/3/4.png"
    assert KEY.path.startswith(f"{KEY.folder}/")
    assert TileKey.parse(KEY.path) == KEY


@pytest.mark.parametrize(
    "path", ["", "ab/cdef", "a/b/c/1/2/3", "a/b/c/1/-2/3.png", "a/b/c/x/2/3.p"]
)
def test_what_is_no_tiles_path_is_not_parsed(path: str) -> None:
    assert TileKey.parse(path) is None


@pytest.mark.parametrize("key", [KEY.path, "a" * 40, "scene.2-b/x_1/2@2x.png"])
def test_paths_of_plain_names_are_keys(key: str) -> None:
    assert checked(key) == key


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", "~/x", "a\\b", "a\0b", "a\n"),
        *("a*", "a?", "[a]", "é", "a b", "a/.partial", "a" * 200, "/".join("a" * 20)),
    ],
)
def test_nothing_else_is_a_key(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        checked(key)


def test_an_etag_is_strong_and_quoted() -> None:
    assert KEY.etag.startswith('"')
    assert KEY.etag.endswith('"')
    assert len(KEY.etag) == 42


def test_fingerprints_tell_values_apart() -> None:
    assert fingerprint("a", 1) != fingerprint("a", "1")
    assert fingerprint("a", 1) == fingerprint("a", 1)
