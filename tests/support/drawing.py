"""A tile by way of the service alone: for tests of pixels, which need no routes."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from tileserver.assembly import open_catalogue, open_tile_service
from tileserver.settings.server import Settings
from tileserver.stores import open_store
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileOptions, resolve_request


def tile_values(settings: Settings, source_id: str, tile: Tile) -> NDArray[Any]:
    """A source's values in a tile, with its mask as last band: (C + 1, 256, 256)."""
    catalogue = open_catalogue(settings)
    service = open_tile_service(catalogue, open_store(settings.cache))
    asked = AskedTile(source_id=source_id, tile=tile, options=TileOptions(format=ImageFormat.npy))
    try:
        wanted = resolve_request(catalogue, asked)
        found = asyncio.run(service.render(wanted, tile_key(catalogue, wanted)))
    finally:
        service.close()
        catalogue.close()
    loaded: NDArray[Any] = np.load(BytesIO(found.content))
    return loaded
