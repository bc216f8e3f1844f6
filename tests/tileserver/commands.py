"""Commands called in this process: seconds of imports less a call than a process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner, Result

from tileserver.cli import main


def called(*arguments: str | Path) -> Result:
    """`overzoom` with these arguments; its environment does not stay."""
    with patch.dict(os.environ):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
