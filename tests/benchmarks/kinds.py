"""Rasters of every kind of values and number of bands, in files with odd names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.rasters import cut
from tileserver.origins.naming import name_sources

NAMES = {
    "grey": "one band",
    "two": "100%",
    "rgb": "naïve Ω 東京",
    "four": "a;b&c=d",
    "five": "#five?",
    "uint16": "(1) [2] {z}",
    "signed": "'quoted' \"twice\"",
    "int32": "-dash..dots",
    "float": "<b>bold</b>".replace("/", "\u2044"),
    "nan": "line\nbreak\ttab",
    "palette": "\u202ebackwards",
}
"""Kinds of tests.support.rasters, and what their files are called."""


def write_kinds(folder: Path) -> dict[str, dict[str, Any]]:
    """The settings of a source of each kind, by the ids that the names become."""
    folder.mkdir()
    return name_sources([cut(folder / f"{name}.tif", kind) for kind, name in NAMES.items()])
