"""The checkpoints that ship."""

from __future__ import annotations

from pathlib import Path

from engine.errors import CheckpointError
from engine.network.checkpoint import Checkpoint, load_checkpoint

FOLDER = Path(__file__).parent.parent / "engine" / "checkpoints"
COMPACT = FOLDER / "compact.safetensors"


def bundled() -> Path:
    """The checkpoint that draws where none is configured."""
    return COMPACT


def find_checkpoint(named: Path | None) -> Path:
    """The file of a path, of a bundled checkpoint's name, or the default one for None.

    Raises CheckpointError for a bare name that is neither.
    """
    if named is None:
        return bundled()
    if named.exists() or named.suffix or len(named.parts) > 1:
        return named
    names = sorted(file.stem for file in FOLDER.glob("*.safetensors"))
    if named.name not in names:
        raise CheckpointError(
            f"{named}: no such file, and no bundled checkpoint ({', '.join(names)})"
        )
    return FOLDER / f"{named.name}.safetensors"


def local_checkpoint(named: Path | None, device: str) -> Checkpoint:
    """The checkpoint of a path or a bundled one's name, else the default one.

    Raises CheckpointError, also for a denoiser with global context: it cannot draw any window.
    """
    return load_checkpoint(find_checkpoint(named), device)
