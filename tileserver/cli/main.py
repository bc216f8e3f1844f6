"""The command `overzoom`: its subcommands, and how their errors end."""

from __future__ import annotations

import sys
from typing import Any

import click

from engine.errors import EngineError
from tileserver.cli.cache import cache
from tileserver.cli.environment import pause_garbage_collection, quiet_libraries, set_environment
from tileserver.cli.evaluate import evaluate
from tileserver.cli.examples import examples
from tileserver.cli.keys import hash_key
from tileserver.cli.prerender import prerender
from tileserver.cli.serve import serve
from tileserver.cli.sources import check_config, info
from tileserver.cli.train import average, calibrate, train
from tileserver.cli.upscale import upscale
from tileserver.errors import OverzoomError


class _Group(click.Group):
    """Turns errors raised on purpose into one line and exit status 1."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """As a program of its own."""
        pause_garbage_collection()
        quiet_libraries()
        return super().__call__(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (OverzoomError, EngineError) as error:
            click.echo(f"overzoom: {error}", err=True)
            sys.exit(1)


@click.group(
    cls=_Group,
    epilog="\n\n".join(
        (
            examples("overzoom serve scene.tif --open", "overzoom upscale scene.tif fine.tif"),
            "\b\nCompletion by Tab, in ~/.bashrc (other shells: zsh_source, fish_source):\n"
            '  eval "$(_OVERZOOM_COMPLETE=bash_source overzoom)"',
        )
    ),
)
@click.version_option(package_name="overzoom")
def main() -> None:
    """Serve web map tiles beyond the imagery's native zoom."""
    set_environment()


for command in (serve, info, check_config, upscale, prerender, cache, hash_key):
    main.add_command(command)
for command in (train, average, calibrate, evaluate):
    main.add_command(command)
