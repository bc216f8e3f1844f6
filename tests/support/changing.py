"""Sources whose files change while they are watched."""

from __future__ import annotations

import os
from pathlib import Path

import rasterio

from tests.support.waiting import wait_until
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.settings.server import Settings

GRID = "WebMercatorQuad"
CHECK_SECONDS = 0.05
LONG_AGO = 10**18


def aged(path: Path) -> Path:
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def configured(check_seconds: float = CHECK_SECONDS, **paths: Path) -> Settings:
    sources = {id: {"path": str(path)} for id, path in paths.items()}
    return Settings.model_validate({"sources": sources, "source_check_seconds": check_seconds})


def wait_for_replacement(catalogue: Catalogue, id: str, old: Source) -> Source:
    """The version that takes the place of an old one, once its files look as it knows them.

    A file system shows a renamed file for an instant before its time of change is set: a version
    that was inspected in this instant is itself replaced.
    """

    def settled() -> bool:
        return catalogue[id] is not old and catalogue[id].is_unchanged()

    wait_until(settled)
    return catalogue[id]


def inverted(path: Path, to: Path) -> Path:
    """The negative of a raster."""
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, 255 - dataset.read()
    with rasterio.open(to, "w", **profile) as out:
        out.write(pixels)
    return to
