"""Zooms agree: the tiles that a client decodes average back to the zoom above, down to native."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from morecantile import Tile

from tests.support.server import Service
from tests.support.tiles import decoded, mosaic, path_of

NATIVE = 19


@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 1, NATIVE + 2])
@pytest.mark.parametrize("mode", ["super-resolved", "interpolated"])
def test_decoded_children_average_to_their_parent(
    server: Service, middle_tile: Callable[[int], Tile], zoom: int, mode: str
) -> None:
    parent = middle_tile(zoom)
    children = [
        Tile(2 * parent.x + i, 2 * parent.y + j, zoom + 1) for j in range(2) for i in range(2)
    ]

    def levels(tile: Tile) -> np.ndarray:
        return decoded(server.get(f"{path_of(tile)}?mode={mode}").content)

    picture = mosaic({tile: levels(tile) for tile in children}).astype(np.float64)
    means = picture.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    error = np.abs(means - levels(parent).astype(np.float64))
    assert error.mean() <= 0.3
    if mode == "super-resolved":  # interpolation overshoots, and is clipped
        assert error.max() <= 1.0
