"""Ways to enlarge a picture: ours, and the interpolations that everybody has."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.imagery import ArrayImagery, Imagery, Pixels
from engine.network.checkpoint import Checkpoint
from engine.pictures.pyramid import Pyramid
from engine.pictures.super_resolution import Doubled
from engine.sampling.sampler import SamplerSettings
from engine.window import Window


def super_resolved(
    low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int = 1
) -> Pixels:
    """A picture (C, h, w) super-resolved as the server would, 2^zooms times as large."""
    return _pyramid(low, checkpoint, settings, zooms).picture(zooms).read(_whole(low, zooms))


def predicted_deviation(
    low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int = 1
) -> Pixels:
    """The standard deviation of such a picture's error as the checkpoint's calibration has it."""
    return _pyramid(low, checkpoint, settings, zooms).uncertainty(zooms).read(_whole(low, zooms))


def interpolated(low: Pixels, zooms: int = 1) -> Pixels:
    """The consistent cubic interpolation that the server shows for comparison."""
    picture: Imagery = ArrayImagery(low)
    for _ in range(zooms):
        picture = Doubled(picture)
    return picture.read(_whole(low, zooms))


def resampled(low: Pixels, zooms: int, kernel: Image.Resampling) -> Pixels:
    """What an image viewer does: Pillow's bicubic or Lanczos resampling, channel by channel."""
    size = (low.shape[2] << zooms, low.shape[1] << zooms)
    return np.stack([np.asarray(Image.fromarray(band).resize(size, kernel)) for band in low])


def _pyramid(low: Pixels, checkpoint: Checkpoint, settings: SamplerSettings, zooms: int) -> Pyramid:
    source = Doubled(ArrayImagery(low))
    return Pyramid(source, low.shape[0], 0, zooms, checkpoint, settings, lambda _name: {})


def _whole(low: Pixels, zooms: int) -> Window:
    return Window(0, 0, low.shape[1] << zooms, low.shape[2] << zooms)
