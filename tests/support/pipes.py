"""Files whose reads really hang: named pipes that nobody writes to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hanging(paths: Iterable[Path]) -> Iterator[Callable[[Path], None]]:
    """Pipes in the place of files; gives what lets the readers of one go, as the end does of all.

    Their readers then find an empty file, whose name is gone.
    """
    writers: dict[Path, int] = {}

    def release(path: Path) -> None:
        path.unlink(missing_ok=True)  # who comes later would wait for a writer
        os.close(writers.pop(path))

    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        writers[path] = os.open(path, os.O_RDWR)
    try:
        yield release
    finally:
        for path in list(writers):
            release(path)
