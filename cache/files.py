"""Atomic writes: a temporary file beside the target, then a rename."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PARTIAL = ".partial"
"""Suffix of files being written; they also start with a dot, which no key's element does."""
WRITE_TRIES = 3
"""Another process may remove the empty folder between its creation and the write."""


def write_whole(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Write a file atomically, creating its folders; raises OSError.

    synced: whether it has to be whole after a loss of power, too.
    """
    for tries_left in reversed(range(WRITE_TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=PARTIAL, dir=path.parent)
            break
        except FileNotFoundError:
            if not tries_left:
                raise
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(handle)
        os.replace(name, path)
    except BaseException:  # whatever it is, no half file stays; it is raised again
        Path(name).unlink(missing_ok=True)
        raise
