"""Fills pixels without data for the network, by mirroring valid ones at the border.

A pixel without data takes the value that lies as far inside the valid area as the pixel lies
outside; if that is invalid too, the nearest valid pixel's. Scene borders and holes of any shape are
treated alike, and no false edge appears beside the data.
"""

from __future__ import annotations

from typing import NamedTuple

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
    rectangle = _bounds(valid)
    if valid[rectangle].all():  # as most rasters are
        return _fill_around(pixels, rectangle, part)
    filled = filled.copy()
    gaps = np.flatnonzero(~inner)
    sources = _mirror(valid, *np.divmod(gaps, inner.shape[1]), part, _cover(rectangle, part))
    flat = filled.reshape(len(filled), -1)
    flat[:, gaps] = pixels.reshape(len(pixels), -1).take(sources, axis=1)
    return filled


def _fill_around(pixels: NDArray[np.float32], rectangle: Part, part: Part) -> NDArray[np.float32]:
    """The part of pixels, all of which are valid in a rectangle and nowhere else."""
    rows, cols = (_mirror_along(*along) for along in zip(rectangle, part, strict=True))
    mirrored: NDArray[np.float32] = pixels.take(rows.mirror, 1).take(cols.mirror, 2)
    if rows.inside.all() and cols.inside.all():
        return mirrored
    nearest = pixels.take(rows.nearest, 1).take(cols.nearest, 2)
    return np.where(rows.inside[:, None] & cols.inside, mirrored, nearest)


class _Mirrored(NamedTuple):
    """For the places of a part, along one axis."""

    nearest: NDArray[np.intp]
    mirror: NDArray[np.intp]
    """As far inside as the place is outside; the nearest one where that is not inside."""
    inside: NDArray[np.bool_]
    """Where it is."""


def _mirror_along(valid: slice, part: slice) -> _Mirrored:
    places = np.arange(part.start, part.stop)
    nearest = places.clip(valid.start, valid.stop - 1)
    mirror = 2 * nearest - places
    inside = (mirror >= valid.start) & (mirror < valid.stop)
    return _Mirrored(nearest, np.where(inside, mirror, nearest), inside)


def _mirror(
    valid: NDArray[np.bool_], rows: NDArray[np.intp], cols: NDArray[np.intp], part: Part, box: Part
) -> NDArray[np.intp]:
    """The valid pixels whose values these of a part take, as places in the array laid flat.

    box: around the part and all valid pixels; what lies outside decides nothing.
    """
    width = valid.shape[1]
    (top, left), (row, col) = ((along.start for along in area) for area in (box, part))
    rows, cols = rows + (row - top), cols + (col - left)  # in the box
    nearest = distance_transform_edt(~valid[box], return_distances=False, return_indices=True)
    flat = rows * (box[1].stop - left) + cols
    near_rows, near_cols = (along.take(flat).astype(np.intp) for along in nearest)
    near = (near_rows + top) * width + near_cols + left
    mirror = 2 * near - ((rows + top) * width + cols + left)
    mirror_cols = 2 * near_cols - cols + left
    inside = (mirror_cols >= 0) & (mirror_cols < width) & (mirror >= 0) & (mirror < valid.size)
    mirror = np.where(inside, mirror, near)
    taken: NDArray[np.intp] = np.where(valid.ravel().take(mirror), mirror, near)
    return taken


def _bounds(valid: NDArray[np.bool_]) -> Part:
    """The smallest box around all valid pixels."""
    rows, cols = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _cover(one: Part, other: Part) -> Part:
    """The smallest box around two."""
    rows, cols = (
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return rows, cols
