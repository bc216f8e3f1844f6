"""Enlarges pictures: by super-resolution, and by common interpolations."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.imagery import ArrayImagery, Imagery, Pixels
from engine.network.checkpoint import Checkpoint
from engine.pictures.pyramid import Pyramid
from engine.pictures.super_resolution import Doubled
from engine.sampling.settings import SamplerSettings
from engine.window import Window


def super_resolve(
    low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int = 1
) -> Pixels:
    """A picture (C, h, w) enlarged 2^zooms times, as by the server."""
    return _pyramid(low, checkpoint, settings, zooms).picture(zooms).read(_whole(low, zooms))


def predict_deviation(
    low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int = 1
) -> Pixels:
    """The calibrated standard deviation of the error of super_resolve's picture."""
    return _pyramid(low, checkpoint, settings, zooms).uncertainty(zooms).read(_whole(low, zooms))


def interpolate(low: Pixels, zooms: int = 1) -> Pixels:
    """The consistent cubic interpolation that the server shows for comparison."""
    picture: Imagery = ArrayImagery(low)
    for _ in range(zooms):
        picture = Doubled(picture)
    return picture.read(_whole(low, zooms))


def resample(low: Pixels, zooms: int, kernel: Image.Resampling) -> Pixels:
    """Pillow's bicubic or Lanczos resampling, channel by channel, as in image viewers."""
    size = (low.shape[2] << zooms, low.shape[1] << zooms)
    return np.stack([np.asarray(Image.fromarray(band).resize(size, kernel)) for band in low])


def _pyramid(low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int) -> Pyramid:
    source = Doubled(ArrayImagery(low))
    return Pyramid(source, low.shape[0], 0, zooms, checkpoint, settings, lambda _name: {})


def _whole(low: Pixels, zooms: int) -> Window:
    return Window(0, 0, low.shape[1] << zooms, low.shape[2] << zooms)
