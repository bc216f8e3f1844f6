from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.support.rasters import cut
from tileserver.app import make_app
from tileserver.origins.naming import name_sources, slug
from tileserver.settings.reading import read_settings
from tileserver.settings.sources import SOURCE_ID

PRODUCT = "S2A_MSIL2A_20230101T100031_N0509_R122_T33UUP_20230101T123456.SAFE-10m"


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("yellowstone_20cm", "yellowstone_20cm"),
        ("my scene", "my-scene"),
        ("Zürich", "Zurich"),
        ("  (copy) ", "copy"),
        ("東京", "source"),
        ("-x-", "x"),
        (PRODUCT, PRODUCT[:60]),
    ],
)
def test_ids_are_slugs_of_names(name: str, id: str) -> None:
    assert slug(name) == id


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_any_name_has_an_id(name: str) -> None:
    assert re.fullmatch(SOURCE_ID, f"{slug(name)}-99")


def test_a_folder_of_ordinary_names_is_served_whole_with_titles_as_they_are(
    tmp_path: Path,
) -> None:
    first = cut(tmp_path / "my scene.tif", "grey")
    others = ("my-scene", "Zürich", PRODUCT, "viewer")
    for name in others:
        shutil.copy(first, tmp_path / f"{name}.tif")
    (tmp_path / "broken.tif").write_text("no raster")
    sources = name_sources([tmp_path])
    configured = read_settings(
        None, {"sources": sources, "cache": {"folder": str(tmp_path / "cache")}}
    )
    with TestClient(make_app(configured)) as client:
        listed = {one["id"]: one for one in client.get("/sources.json").json()}
        assert {id: one["title"] for id, one in listed.items()} == {
            "my-scene": "my scene",
            "my-scene-2": "my-scene",
            "Zurich": "Zürich",
            PRODUCT[:60]: PRODUCT,
            "viewer-2": "viewer",
            "broken": "broken",
        }
        for id in listed:
            status = client.get(f"/{id}/tilejson.json").status_code
            assert status == (503 if id == "broken" else 200)
