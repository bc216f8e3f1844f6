"""Fills pixels without data for the network, by mirroring valid ones at the border.

A pixel without data takes the value that lies as far inside the valid area as the pixel lies
outside; if that is invalid too, the nearest valid pixel's. Scene borders and holes of any shape are
treated alike, and no false edge appears beside the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Part = tuple[slice, slice]
"""Rows and columns of an array, with their ends."""


def fill_by_mirroring(
    pixels: NDArray[np.float32], valid: NDArray[np.bool_], part: Part
) -> NDArray[np.float32]:
    """The part of pixels (C, H, W) with its invalid ones (valid is (H, W)) filled.

    All zero if no pixel is valid, inside the part or outside.
    """
    inner = valid[part]
    filled: NDArray[np.float32] = pixels[:, *part]
    if inner.all():
        return filled
    if not valid.any():
        return np.zeros_like(filled)
    filled = filled.copy()
    gaps = np.flatnonzero(~inner)
    sources = _mirror(valid, *np.divmod(gaps, inner.shape[1]), part)
    flat = filled.reshape(len(filled), -1)
    flat[:, gaps] = pixels.reshape(len(pixels), -1).take(sources, axis=1)
    return filled


def _mirror(
    valid: NDArray[np.bool_], rows: NDArray[np.intp], cols: NDArray[np.intp], part: Part
) -> NDArray[np.intp]:
    """The valid pixels whose values these of a part take, as places in the array laid flat."""
    box, width = _box(valid, part), valid.shape[1]
    (top, left), (row, col) = ((along.start for along in area) for area in (box, part))
    rows, cols = rows + (row - top), cols + (col - left)  # in the box
    near_rows, near_cols = _find_nearest(valid[box], rows, cols)
    near = (near_rows + top) * width + near_cols + left
    mirror = 2 * near - ((rows + top) * width + cols + left)
    mirror_cols = 2 * near_cols - cols + left
    inside = (mirror_cols >= 0) & (mirror_cols < width) & (mirror >= 0) & (mirror < valid.size)
    mirror = np.where(inside, mirror, near)
    taken: NDArray[np.intp] = np.where(valid.ravel().take(mirror), mirror, near)
    return taken


def _find_nearest(
    valid: NDArray[np.bool_], rows: NDArray[np.intp], cols: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the valid pixels that are nearest to these."""
    (top, bottom), (left, right) = (_ends(valid, axis) for axis in (0, 1))
    if valid[top:bottom, left:right].all():  # a rectangle, as most rasters are
        return rows.clip(top, bottom - 1), cols.clip(left, right - 1)
    nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    flat = rows * valid.shape[1] + cols
    near_rows, near_cols = (along.take(flat).astype(np.intp) for along in nearest)
    return near_rows, near_cols


def _ends(valid: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """The first place along an axis with a valid pixel, and the one after the last."""
    found = np.flatnonzero(valid.any(axis=1 - axis))
    return int(found[0]), int(found[-1]) + 1


def _box(valid: NDArray[np.bool_], part: Part) -> Part:
    """The smallest box around a part and all valid pixels: what lies outside decides nothing."""
    (top, bottom), (left, right) = (_ends(valid, axis) for axis in (0, 1))
    return (
        slice(min(top, part[0].start), max(bottom, part[0].stop)),
        slice(min(left, part[1].start), max(right, part[1].stop)),
    )
