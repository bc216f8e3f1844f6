"""Help: every example runs as it stands, and every option is in one."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import click
import pytest
import yaml
from affine import Affine
from click.testing import CliRunner

from tests.support.commands import call_overzoom
from tests.support.examples import COMMANDS, examples_of
from tests.support.rasters import cut
from tests.support.scenes import colours, write
from tileserver.cli.environment import WARNING_LIBRARIES
from tileserver.cli.main import main

EXPERIMENTAL = {"train", "evaluate"}
"""Commands whose options are the knobs of experiments, too many for examples."""
GROUPS = [
    ["upscale"],
    ["prerender", "cache export", "cache stats", "cache purge"],
    ["info", "check-config", "hash-key"],
]
"""Commands whose examples run in one folder, one after the other."""
SLOW = [["overzoom", "serve"], ["train", "average", "calibrate"], ["evaluate"]]
"""Those that start servers and a browser for each, and experiments."""
SHORTER = {
    "serve": "--open --port 0",  # until the browser has read it
    "train": "--minutes 0.001 --iterations 1 --batch-size 1 --crop-px 112 --width 16 "
    "--encoder-blocks 1 --denoiser-blocks 1 --perceptual-weight 0",
}
"""Options that are added to examples of commands that would not end, or not soon."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are that examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cut(tmp_path / "scene.tif", "rgb", 160)
    (tmp_path / "folder").mkdir()
    cut(tmp_path / "folder" / "one.tif", "rgb", 160)
    sources = {"scene": {"path": "scene.tif"}}
    (tmp_path / "overzoom.yaml").write_text(yaml.safe_dump({"sources": sources}))
    return tmp_path


def run_examples(names: list[str]) -> None:
    for name in names:
        for words in examples_of(name):
            if "--ray" in words:  # tests/tileserver/offline/test_ray_pool.py has a cluster
                continue
            done = call_overzoom(*words, *SHORTER.get(words[0], "").split())
            assert done.exit_code == 0, f"{words}: {done.stderr}"


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
@pytest.mark.usefixtures("folder")
def test_examples_run(names: list[str]) -> None:
    run_examples(names)


@pytest.mark.slow
@pytest.mark.parametrize("names", SLOW, ids=" ".join)
@pytest.mark.usefixtures("folder", "browser")
def test_slow_examples_run(names: list[str]) -> None:
    run_examples(names)


def test_all_examples_are_run() -> None:
    assert sorted(name for names in GROUPS + SLOW for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_an_example_and_a_line(name: str) -> None:
    command = COMMANDS[name]
    words = {word for example in examples_of(name) for word in example}
    assert words
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option) and name != "overzoom":
            assert option.help, f"{name} {option.opts}"
            assert name in EXPERIMENTAL or words & {*option.opts}, f"{name} {option.opts}"


def test_completion_is_a_script_of_the_shell() -> None:
    assert "_OVERZOOM_COMPLETE=bash_source overzoom" in (main.epilog or "")
    environment = {"_OVERZOOM_COMPLETE": "bash_source"}
    done = CliRunner(env=environment).invoke(main, [], prog_name="overzoom")
    assert "complete -o nosort -F _overzoom_completion overzoom" in done.stdout
    environment = {"_OVERZOOM_COMPLETE": "bash_complete", "COMP_WORDS": "overzoom upscale --comp"}
    done = CliRunner(env=environment | {"COMP_CWORD": "2"}).invoke(main, [], prog_name="overzoom")
    assert done.stdout == "plain,--compression\n"


def test_warnings_of_libraries_do_not_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.tif", colours(), crs=None, transform=Affine.identity())
    monkeypatch.setattr("tileserver.cli.environment.LIBRARY_ENVIRONMENT", {})
    loggers = {name: logging.getLogger(name).level for name in WARNING_LIBRARIES}
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # rasterio warns of a raster without a place
        with pytest.raises(SystemExit) as stop:
            main(["info", str(source)])
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"overzoom: {source}: has no coordinate reference system")
