from __future__ import annotations

from dataclasses import make_dataclass, replace
from enum import StrEnum
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cache.key import TileKey, canonical_text, check_key, fingerprint
from engine.sampling.lattice import Lattice
from engine.sampling.schedule import Schedule
from engine.sampling.settings import Fusion, SamplerSettings
from tests.support.store_contract import FINGERPRINT
from tileserver.rasters.band_roles import BandRoles
from tileserver.tiles.rendering import Rendering

KEY = TileKey("scene", FINGERPRINT, "WebMercatorQuad", 20, 3, 4, "png")


def test_every_field_changes_the_path_and_the_etag() -> None:
    changes: dict[str, Any] = {
        "source": "other", "fingerprint": "e" * 16, "grid": "NZTM2000Quad", "zoom": 21, "col": 4,
        "row": 3, "format": "webp",
    }  # fmt: skip
    keys = [KEY, *(replace(KEY, **{name: value}) for name, value in changes.items())]
    assert len({key.path for key in keys}) == len(keys)
    assert len({key.etag for key in keys}) == len(keys)


def test_a_path_reads_from_the_source_down_and_back_again() -> None:
    assert KEY.path == f"scene/{FINGERPRINT}/WebMercatorQuad/20/3/4.png"
    assert KEY.path.startswith(f"{KEY.folder}/")
    assert TileKey.parse(KEY.path) == KEY


@pytest.mark.parametrize(
    "path",
    [
        *("", "ab/cdef", f"x/{KEY.path}", KEY.path.removesuffix(".png")),
        *(KEY.path.replace("/3/", "/-3/"), KEY.path.replace("/20/", "/x/")),
        *(KEY.path.replace("f" * 16, text) for text in ("", "f" * 15, "f" * 17, "g" * 16)),
        "osm/carto/v4/12/2301/1200.png",
    ],
)
def test_what_is_no_tiles_path_is_not_parsed(path: str) -> None:
    assert TileKey.parse(path) is None


@pytest.mark.parametrize("key", [KEY.path, "a" * 40, "scene.2-b/x_1/2@2x.png"])
def test_paths_of_plain_names_are_keys(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", "~/x", "a\\b", "a\0b", "a\n"),
        *("a*", "a?", "[a]", "é", "a b", "a/.partial", "a" * 200, "/".join("a" * 20)),
    ],
)
def test_nothing_else_is_a_key(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        check_key(key)


def test_an_etag_is_strong_and_quoted() -> None:
    assert KEY.etag.startswith('"')
    assert KEY.etag.endswith('"')
    assert len(KEY.etag) == 42


def test_fingerprints_tell_values_apart() -> None:
    assert fingerprint(a=1) == fingerprint(a=1)
    others: list[Any] = [1.0, "1", True, (1,), None, {"a": 1}, {"float": "nan"}, float("inf")]
    assert len({fingerprint(a=one) for one in [1, *others]}) == len(others) + 1
    assert fingerprint(a=1) != fingerprint(b=1)


def test_a_fingerprint_is_the_digest_of_canonical_text_that_never_changes() -> None:
    values = {
        "rendering": Rendering(indexes=(3, 1), rescale=((0.0, 0.1),), color_formula="é"),
        "sampler": SamplerSettings(
            Schedule(4, 6.0, 0.15, 7.0), Lattice(256, 224), -2, Fusion.SDVC, 1e-7
        ),
        "roles": BandRoles((1,), nodata=nan),
    }
    assert canonical_text(values) == (
        '{"format":1,"values":{'
        '"rendering":{"color_formula":"\\u00e9","colormap":null,"indexes":[3,1],'
        '"rescale":[[0.0,0.1]],"return_mask":true},'
        '"roles":{"alpha":null,"bands":[1],"nodata":{"float":"nan"}},'
        '"sampler":{"detail":1e-07,"fusion":"sdvc","lattice":{"patch_px":256,"stride_px":224},'
        '"noise_seed":-2,'
        '"schedule":{"rho":7.0,"sigma_max":6.0,"sigma_min":0.15,"steps":4}}}}'
    )
    assert fingerprint(**values) == "7d289d3520e215aa"


class Named(NamedTuple):
    steps: int = 2
    detail: float = 0.5


class Mode(StrEnum):
    PLAIN = "as it is"


def test_no_name_of_a_class_is_in_a_fingerprint() -> None:
    fields = [("steps", int), ("detail", float)]
    one, other = (make_dataclass(name, fields)(2, 0.5) for name in ("Settings", "Renamed"))
    assert len({fingerprint(sampler=each) for each in (one, other, Named())}) == 1
    assert fingerprint(mode=Mode.PLAIN) == fingerprint(mode="as it is")


@pytest.mark.parametrize("value", [{1}, b"bytes", object(), Path("place"), {1: 2}, np.float32(1)])
def test_what_has_no_canonical_form_has_no_fingerprint(value: object) -> None:
    with pytest.raises(TypeError):
        fingerprint(a=[value])
