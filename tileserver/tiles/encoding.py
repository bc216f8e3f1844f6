"""From pixels to the bytes of an image or an array."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rio_tiler.utils import render

from engine.imagery import Pixels
from tileserver.tiles.geotiff import encode_geotiff

ENCODING = 3
"""Part of every key: raised when the same pixels come to be written as other bytes."""


class ImageFormat(StrEnum):
    """Formats that tiles are served in."""

    png = "png"
    jpg = "jpg"
    jpeg = "jpeg"
    webp = "webp"
    avif = "avif"
    npy = "npy"
    tif = "tif"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES.get(self, f"image/{self}")

    @property
    def holds_values(self) -> bool:
        """Whether it carries the source's values rather than a picture of them."""
        return self in (ImageFormat.npy, ImageFormat.tif)


_MEDIA_TYPES = {
    ImageFormat.jpg: "image/jpeg",
    ImageFormat.npy: "application/x-binary",
    ImageFormat.tif: "image/tiff; application=geotiff",
}
OPAQUE = np.uint8(255)
LOSSLESS_WEBP = "image/webp, lossless"
Opacity = NDArray[np.bool_] | NDArray[np.uint8]
"""Where a picture is opaque, or how much in levels of 255, (H, W)."""
_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    # zlib's first level: 6 ms a tile where the default takes 25, for 15 % more bytes
    "image/png": ("PNG", {"compress_level": 1}),
    "image/jpeg": ("JPEG", {"quality": 90}),
    "image/webp": ("WEBP", {"quality": 90, "method": 0}),
    LOSSLESS_WEBP: ("WEBP", {"lossless": True, "quality": 0, "method": 0}),
    # slower speeds save little and cost more than drawing; one thread, so that bytes are the same
    "image/avif": ("AVIF", {"quality": 75, "speed": 9, "max_threads": 1}),
}


def to_levels(pixels: Pixels) -> NDArray[np.uint8]:
    """Values in [0, 1] as levels of 255, rounded to the nearest."""
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def encode(
    levels: NDArray[np.uint8], opacity: Opacity, format: ImageFormat, *, lossless: bool = False
) -> bytes:
    """An image of one or three bands of levels (C, H, W), transparent where not opaque.

    JPEG is black there. lossless: whether WebP keeps every level, as PNG does.
    """
    alpha = _levels_of(opacity)
    if format.media_type != "image/jpeg" and (alpha < OPAQUE).any():
        levels = np.concatenate((levels, alpha[None]))
    pixels = np.ascontiguousarray(levels.transpose(1, 2, 0))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    exact = lossless and format is ImageFormat.webp
    driver, options = _OPTIONS[LOSSLESS_WEBP if exact else format.media_type]
    stream = BytesIO()
    image.save(stream, driver, **options)
    return stream.getvalue()


def decode(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The levels (C, H, W) and the opacity (H, W) that `encode` made a PNG of, or a lossless WebP.

    The WebP of one band has three.
    """
    with Image.open(BytesIO(content), formats=["PNG", "WEBP"]) as image:
        bands = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
        if "A" in image.getbands():
            return bands[:-1], bands[-1]
    return bands, np.full(bands.shape[1:], OPAQUE)


def _levels_of(opacity: Opacity) -> NDArray[np.uint8]:
    if opacity.dtype == np.bool_:
        return np.where(opacity, OPAQUE, np.uint8(0))
    return opacity.astype(np.uint8, copy=False)


def encode_values(
    bands: NDArray[Any],
    opacity: Opacity,
    format: ImageFormat,
    crs: CRS,
    transform: Affine,
    tags: dict[str, str] | None = None,
) -> bytes:
    """Bands (C, H, W) as an array file whose last band is a mask, or a GeoTIFF that lies there."""
    mask = _levels_of(opacity)
    if format is ImageFormat.npy:
        return bytes(render(bands, mask, img_format="NPY"))
    return encode_geotiff(bands, mask, crs, transform, tags)
