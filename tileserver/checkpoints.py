"""The checkpoints that ship."""

from __future__ import annotations

from pathlib import Path

from engine.network.checkpoint import Checkpoint, load_checkpoint
from tileserver.errors import StartupError

FOLDER = Path(__file__).parent.parent / "engine" / "checkpoints"
COMPACT = FOLDER / "compact.safetensors"
GLOBAL = FOLDER / "global.safetensors"
"""For comparison of fusion rules only (engine.network.global_unet)."""


def bundled() -> Path:
    """The checkpoint that draws where none is configured."""
    return COMPACT


def local_checkpoint(path: Path | None, device: str) -> Checkpoint:
    """A checkpoint that can draw any window: the given one, else the bundled one.

    Raises StartupError for a denoiser with global context, CheckpointError as load_checkpoint.
    """
    checkpoint = load_checkpoint(path or bundled(), device)
    if not checkpoint.denoiser.local:
        raise StartupError(
            f"{path}: has global context, so what it draws depends on the window: "
            "only comparisons of fusion rules use it"
        )
    return checkpoint
