"""The colour table of a classified raster: which colour each of its values is shown in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from tileserver.errors import StartupError


@dataclass(frozen=True, slots=True)
class Palette:
    """Red, green, blue and opacity of the values 0, 1, 2, ..."""

    levels: bytes
    """Four a value."""

    @property
    def entries(self) -> list[tuple[int, ...]]:
        """The four levels of every value."""
        return [tuple(self.levels[i : i + 4]) for i in range(0, len(self.levels), 4)]

    def shown(self, values: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Colours (3, H, W) and opacity (H, W) of whole values (H, W); 0 where they have none."""
        table = np.frombuffer(self.levels, np.uint8).reshape(-1, 4)
        known = (values >= 0) & (values < len(table))
        colours = table[np.where(known, values, 0).astype(np.intp)]
        colours = np.where(known[..., None], colours, np.uint8(0))
        return colours[..., :3].transpose(2, 0, 1), colours[..., 3]


def read_palette(
    dataset: rasterio.DatasetReader, indexes: tuple[int, ...], name: str
) -> Palette | None:
    """The colour table of a raster's picture band; None: it has none.

    Raises StartupError where one of several bands has one.
    """
    indexed = [i for i in indexes if dataset.colorinterp[i - 1] is ColorInterp.palette]
    if not indexed:
        return None
    if len(indexes) > 1:
        raise StartupError(
            f"{name}: band {indexed[0]} has a colour table and others have not; choose by `bands:`"
        )
    try:
        colours = dataset.colormap(indexed[0])
    except ValueError:  # called a palette, but without one
        return None
    table = np.zeros((max(colours) + 1, 4), np.uint8)
    table[list(colours)] = list(colours.values())
    return Palette(table.tobytes())
