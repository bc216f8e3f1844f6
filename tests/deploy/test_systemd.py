"""The systemd unit, checked by systemd; what it runs before the server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import Result

from tests.support.commands import call_overzoom

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "overzoom.service"
    text = (DEPLOY / "overzoom.service").read_text()
    unit.write_text(text.replace("/opt/overzoom/.venv/bin/overzoom", shutil.which("true") or ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def unit_settings(name: str) -> list[str]:
    """The values of a setting in the unit, in order."""
    lines = (DEPLOY / "overzoom.service").read_text().splitlines()
    return [value for key, _, value in (line.partition("=") for line in lines) if key == name]


def started_before(tmp_path: Path, config: Path) -> Result:
    """What the unit runs before the server, for a user without a home that can be written to."""
    (line,) = unit_settings("ExecStartPre")
    program, *arguments = line.split()
    assert program == "/opt/overzoom/.venv/bin/overzoom"
    assert arguments.count("/etc/overzoom/overzoom.yaml") == 1
    arguments = [str(config) if "/etc/" in argument else argument for argument in arguments]
    environment = dict(line.split("=", 1) for line in unit_settings("Environment"))
    environment = {k: v.replace("%C", str(tmp_path)) for k, v in environment.items()}
    with patch.dict(os.environ, {"HOME": "/dev/null", **environment}):
        return call_overzoom(*arguments)


def test_what_the_unit_runs_before_the_server_passes_with_the_configuration_beside_it(
    tmp_path: Path,
) -> None:
    done = started_before(tmp_path, DEPLOY / "overzoom.yaml")
    assert (done.exit_code, done.stderr) == (0, "")


def test_the_unit_starts_a_server_one_of_whose_sources_is_away(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text("sources: {scene: {path: gone.tif}}")
    done = started_before(tmp_path, config)
    assert (done.exit_code, done.stderr) == (0, "")
    config.write_text("sources: {scene: {path: gone.tif}}\naccess: {public: [scenery]}")
    done = started_before(tmp_path, config)
    assert done.exit_code == 1
    assert "there is no source 'scenery'" in done.stderr


def test_the_unit_checks_the_folder_that_its_server_keeps_tiles_in(tmp_path: Path) -> None:
    (start,) = unit_settings("ExecStart")
    assert "--cache-dir" not in start, "where it counts, cache.folder would not"
    (tmp_path / "overzoom").write_text("where the folder is wanted")
    done = started_before(tmp_path, DEPLOY / "overzoom.yaml")
    assert done.exit_code == 1
    assert f"cache.folder: {tmp_path / 'overzoom'} is not writable" in done.stderr
    (folder,) = unit_settings("CacheDirectory")
    assert folder == "overzoom"
