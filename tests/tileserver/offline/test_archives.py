"""MBTiles and PMTiles by themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from morecantile import Tile

from tileserver.offline.archives import FORMATS, Description, write_mbtiles


@pytest.mark.parametrize("format", FORMATS)
def test_mbtiles_name_formats_as_their_specification_does(tmp_path: Path, format: str) -> None:
    described = Description("it", "text", None, format, (-10.0, -5.0, 10.0, 5.0), (0, 0))
    write_mbtiles(tmp_path / "out.mbtiles", described, [(Tile(0, 0, 0), b"tile")])
    with closing(sqlite3.connect(tmp_path / "out.mbtiles")) as database:
        ((said,),) = database.execute("SELECT value FROM metadata WHERE name = 'format'")
    assert said in {"png", "jpg", "webp"} or "/" in said
    assert said.rpartition("/")[2] == format
