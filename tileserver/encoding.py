"""From pixels to the bytes of an image."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.imagery import Pixels

ENCODING = 1
"""Part of every key: raised when the same pixels come to be written as other bytes."""


class ImageFormat(StrEnum):
    """Formats that tiles are served in."""

    png = "png"
    jpg = "jpg"
    jpeg = "jpeg"
    webp = "webp"

    @property
    def media_type(self) -> str:
        return "image/jpeg" if self in (ImageFormat.jpg, ImageFormat.jpeg) else f"image/{self}"


_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    # zlib's first level: 6 ms a tile where the default takes 25, for 15 % more bytes
    "image/png": ("PNG", {"compress_level": 1}),
    "image/jpeg": ("JPEG", {"quality": 90}),
    "image/webp": ("WEBP", {"quality": 90, "method": 0}),
}


def to_levels(pixels: Pixels) -> NDArray[np.uint8]:
    """Values in [0, 1] as levels of 255, rounded to the nearest."""
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def encode(levels: NDArray[np.uint8], valid: NDArray[np.bool_], format: ImageFormat) -> bytes:
    """An image of levels (C, H, W), transparent (JPEG: black) where valid (H, W) is false.

    Three bands or more are shown as colours by their first three, fewer as grey by the first.
    """
    shown = levels[:3] if levels.shape[0] >= 3 else levels[:1]
    shown = np.where(valid, shown, np.uint8(0))
    if not valid.all() and format.media_type != "image/jpeg":
        alpha = np.where(valid, np.uint8(255), np.uint8(0))[None]
        shown = np.concatenate((shown, alpha))
    image = Image.fromarray(np.ascontiguousarray(shown.transpose(1, 2, 0)).squeeze())
    driver, options = _OPTIONS[format.media_type]
    stream = BytesIO()
    image.save(stream, driver, **options)
    return stream.getvalue()
