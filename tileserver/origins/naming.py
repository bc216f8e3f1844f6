"""Ids for rasters given by file name.

Ids are part of URLs and cache keys, but files may have any name. So the id is a slug of the file's
stem, and the title is the stem itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tileserver.origins.files import picture_files
from tileserver.settings.sources import SERVER_PAGES, SOURCE_ID

MAX_LENGTH = 60
"""Leaves room for a number within the 64 characters of an id."""


def name_sources(paths: Iterable[Path], *, mosaic: bool = False) -> dict[str, dict[str, Any]]:
    """Settings of every raster by its id; folders stand for the rasters in them.

    mosaic: each folder is one source, named after the folder. Raises StartupError for a missing
    path and for a folder without rasters.
    """
    sources: dict[str, dict[str, Any]] = {}
    for path in paths:
        files = picture_files(path)
        whole = mosaic and path.is_dir()
        for file in [path] if whole else files:
            name = file.resolve().name if whole else file.stem
            id = unique_id(slug(name), sources.keys() | SERVER_PAGES)
            sources[id] = {"path": str(file)} | ({"mosaic": True} if whole else {})
            if id != name:
                sources[id]["title"] = name
    return sources


def slug(name: str) -> str:
    """A name as an id of ASCII letters, digits and `_.-`."""
    if re.fullmatch(SOURCE_ID, name) and len(name) <= MAX_LENGTH:
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-_.")
    return plain[:MAX_LENGTH].rstrip("-_.") or "source"


def unique_id(id: str, taken: Iterable[str]) -> str:
    """The id, or the first of id-2, id-3, ... that is not taken."""
    known = set(taken)
    number, found = 1, id
    while found in known:
        number += 1
        found = f"{id}-{number}"
    return found
