"""A browser for `overzoom serve --open`, which ends the server that it has read."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import LIMIT_SECONDS
from tileserver.process import server

PROGRAM = """#!{python}
import os, signal, sys, urllib.request
with urllib.request.urlopen(sys.argv[1] + "sources.json") as answer:
    open({seen!r}, "wb").write(answer.read())
os.kill({pid}, signal.SIGTERM)  # the server answers, so it handles the signal
"""


@pytest.fixture
def browser(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The file of what it reads: the server's /sources.json."""
    folder = tmp_path_factory.mktemp("browser")
    program, seen = folder / "xdg-open", folder / "seen.json"
    program.write_text(PROGRAM.format(python=sys.executable, seen=str(seen), pid=os.getpid()))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(server, "CLOSING_SECONDS", LIMIT_SECONDS)  # it would end all tests
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield seen
    for number, handler in handlers.items():
        signal.signal(number, handler)
