"""The checkpoint that ships."""

from __future__ import annotations

from pathlib import Path

from engine.network.checkpoint import Checkpoint, load_checkpoint

COMPACT = Path(__file__).parent.parent / "engine" / "checkpoints" / "compact.safetensors"


def bundled() -> Path:
    """The checkpoint that draws where none is configured."""
    return COMPACT


def local_checkpoint(path: Path | None, device: str) -> Checkpoint:
    """The given checkpoint, else the bundled one.

    Raises CheckpointError, also for a denoiser with global context: it cannot draw any window.
    """
    return load_checkpoint(path or bundled(), device)
