"""The command line's commands, and the examples in their help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from tileserver.cli.main import main


def _commands() -> Iterator[tuple[str, click.Command]]:
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", found) for below, found in command.commands.items())
        else:
            yield name, command


COMMANDS: dict[str, click.Command] = {"overzoom": main, **dict(_commands())}
"""All commands by the words that call them."""


def examples_of(name: str) -> list[list[str]]:
    """The examples in a command's help, as words after `overzoom`."""
    lines = (line.strip() for line in (COMMANDS[name].epilog or "").splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("overzoom ")]
