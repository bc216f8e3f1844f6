"""Blocks of a target as files: drawn anywhere, and joined to strips by whoever runs."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from cache.files import write_whole
from engine.window import Window
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.scene import Values
from tileserver.offline.upscaling.target import Target

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A block and its file."""

    window: Window
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> Values:
        """The block's bands (B, H, W), those of a strip; raises OSError if the file is damaged."""
        try:
            values: Values = np.load(self.path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise OSError(f"{self.path.name} is damaged ({error})") from error
        return values


class PartWriter:
    """Draws blocks and writes each to its file, atomically; the same file whoever writes it."""

    def __init__(self, drawing: Drawing, target: Target) -> None:
        described = target.description
        self.drawing, self.deviation = drawing, target.deviation
        self.masked, self.dtype = described.masked, described.dtype

    def __call__(self, part: Part) -> Part:
        """Write one block; if the target has a mask, it is the last band.

        Raises StartupError if the source cannot be read, OSError if the file cannot be written.
        """
        draw = self.drawing.deviation if self.deviation else self.drawing.picture
        pixels, valid = draw(part.window)
        if self.masked:
            mask = np.where(valid, _opaque(self.dtype), 0).astype(self.dtype)
            pixels = np.concatenate((pixels, mask[None]))
        content = BytesIO()
        np.save(content, pixels, allow_pickle=False)
        write_whole(part.path, content.getvalue(), synced=True)
        return part


def list_parts(folder: Path) -> set[str]:
    """The names of the blocks' files in a folder; damaged ones are removed."""
    names = {entry.name for entry in os.scandir(folder) if entry.name.endswith(".npy")}
    return {name for name in names if _is_whole(folder / name)}


def _is_whole(path: Path) -> bool:
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)  # compares the file's size
    except (OSError, ValueError, EOFError) as error:
        logger.warning("%s: damaged, is drawn again (%s)", path, error)
        path.unlink(missing_ok=True)
        return False
    return True


def _opaque(dtype: str) -> float:
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 255.0
