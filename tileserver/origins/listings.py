"""Files that list rasters: MosaicJSON, and STAC items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tileserver.errors import StartupError


def read_listing(path: Path, assets: Sequence[str]) -> tuple[list[str], bool]:
    """The rasters that a file lists, and whether they are bands of one raster (else a mosaic).

    assets: the assets of a STAC item to use. Raises StartupError for any other kind of file.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StartupError(f"{path}: not JSON ({error})") from error
    if isinstance(document, dict) and "mosaicjson" in document:
        return _of_mosaic(path, document), False
    if isinstance(document, dict) and document.get("type") == "Feature" and "assets" in document:
        return _of_item(path, document["assets"], assets), True
    raise StartupError(f"{path}: neither a MosaicJSON nor a STAC item")


def _of_mosaic(path: Path, document: dict[str, Any]) -> list[str]:
    """All assets, in the order of their first mention."""
    tiles, prefix = document.get("tiles"), document.get("asset_prefix") or ""
    if not isinstance(tiles, dict) or not isinstance(prefix, str):
        raise StartupError(f"{path}: not a valid MosaicJSON: it has no tiles")
    names = [name for names in tiles.values() if isinstance(names, list) for name in names]
    if not names or not all(isinstance(name, str) for name in names):
        raise StartupError(f"{path}: its tiles list no rasters")
    return [prefix + name for name in dict.fromkeys(names)]


def _of_item(path: Path, known: object, assets: Sequence[str]) -> list[str]:
    choices = sorted(known) if isinstance(known, dict) else []
    if not isinstance(known, dict) or not assets:
        raise StartupError(f"{path}: set assets to some of {', '.join(choices)}")
    references = []
    for asset in assets:
        if asset not in known:
            raise StartupError(f"{path}: has no asset {asset}; it has {', '.join(choices)}")
        reference = known[asset].get("href") if isinstance(known[asset], dict) else None
        if not isinstance(reference, str):
            raise StartupError(f"{path}: asset {asset} has no href")
        references.append(reference)
    return references
