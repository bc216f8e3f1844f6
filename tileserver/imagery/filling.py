"""Fills pixels without data for the network, by mirroring valid ones at the border.

A pixel without data takes the value that lies as far inside the valid area as the pixel lies
outside; if that is invalid too, the nearest valid pixel's. Scene borders and holes of any shape are
treated alike, and no false edge appears beside the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt


def fill_by_mirroring(pixels: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """pixels (C, H, W) with invalid ones (valid is (H, W)) filled; all zero if none is valid."""
    if valid.all():
        return pixels
    if not valid.any():
        return np.zeros_like(pixels)
    nearest: NDArray[np.int32] = distance_transform_edt(
        ~valid, return_distances=False, return_indices=True
    )
    place = np.indices(valid.shape)
    mirror = 2 * nearest - place
    limits = np.array(valid.shape)[:, None, None]
    inside = ((mirror >= 0) & (mirror < limits)).all(axis=0)
    rows, cols = np.clip(mirror, 0, limits - 1)
    usable = inside & valid[rows, cols]
    rows, cols = np.where(usable, rows, nearest[0]), np.where(usable, cols, nearest[1])
    filled: NDArray[np.float32] = pixels[:, rows, cols]
    return filled
