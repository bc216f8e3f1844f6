"""A sheet: the same ground by every method, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from engine.imagery import Pixels
from tileserver.lab.enlargements import Sample
from tileserver.lab.methods import Method

CELL_PX = 256
MAGNIFIED = 2
"""Enlargement of the sheet's pixels, for visibility."""
LABEL_PX = 18
COLUMNS = 4


def draw_sheet(sample: Sample, methods: Sequence[Method]) -> Pixels:
    """The middle of a sample by every method, then its truth, as one picture (3, H, W)."""
    shown = {method.name: method.enlarge(sample.low) for method in methods}
    shown["truth"] = sample.truth
    cells = [_cell(name, pixels) for name, pixels in shown.items()]
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % COLUMNS)
    lines = [np.hstack(cells[at : at + COLUMNS]) for at in range(0, len(cells), COLUMNS)]
    levels = np.vstack(lines).transpose(2, 0, 1)
    return levels.astype(np.float32) / np.float32(255)


def _cell(name: str, pixels: Pixels) -> np.ndarray:
    size = CELL_PX // MAGNIFIED
    row, col = ((side - size) // 2 for side in pixels.shape[1:])
    middle = pixels[:, row : row + size, col : col + size]
    levels = np.rint(middle.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    cell = Image.new("RGB", (CELL_PX + 2, CELL_PX + LABEL_PX + 2), "white")
    grown = Image.fromarray(np.ascontiguousarray(levels)).resize(
        (CELL_PX, CELL_PX), Image.Resampling.NEAREST
    )
    cell.paste(grown, (1, LABEL_PX + 1))
    ImageDraw.Draw(cell).text((3, 3), name, fill="black")
    return np.asarray(cell)
