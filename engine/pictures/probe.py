"""Measures whether this device draws the same pixels in every window.

Seamless tiles depend on it, and a library's choice of kernel can break it in the last bit; so it is
measured at start-up, not assumed.
"""

from __future__ import annotations

import numpy as np

from engine.imagery import Pixels
from engine.network.checkpoint import Checkpoint
from engine.pictures.super_resolution import SuperResolved
from engine.sampling.settings import SamplerSettings
from engine.window import Window

_INNER = Window(256, -256, 256, 256)
_OUTER = Window(0, -256, 512, 512)


class Waves:
    """Synthetic imagery: colours that vary smoothly with the coordinates."""

    def read(self, window: Window) -> Pixels:
        rows = np.arange(window.row, window.bottom, dtype=np.float32)[:, None]
        cols = np.arange(window.col, window.right, dtype=np.float32)
        phases = [rows / 5 + cols / 17, rows / 29 - cols / 3, (rows + cols) / 7]
        values: Pixels = (0.5 + 0.4 * np.sin(np.stack(phases))).astype(np.float32)
        return values


def windows_agree(checkpoint: Checkpoint, settings: SamplerSettings, device: str = "cpu") -> bool:
    """Whether a window drawn alone equals the same pixels of a larger window, bit for bit."""
    picture = SuperResolved(Waves(), 3, checkpoint, settings, 0, device)
    rows, cols = _OUTER.slices(_INNER)
    return bool(np.array_equal(picture.read(_INNER), picture.read(_OUTER)[:, rows, cols]))
