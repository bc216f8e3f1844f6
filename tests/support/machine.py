"""What a test needs of the machine that it runs on."""

from __future__ import annotations

import os
import shutil

import pytest

needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None,
    reason="needs root, to mount a small file system",
)
