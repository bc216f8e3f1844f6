"""What a test needs of the machine that it runs on."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache

import pytest


@cache
def may_mount() -> bool:
    """Whether a small file system may be mounted: root of a container often may not."""
    if shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


needs_mount = pytest.mark.skipif(not may_mount(), reason="needs to mount a small file system")
