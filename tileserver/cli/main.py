"""The command `overzoom`: its subcommands, and how their errors end."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from engine.errors import EngineError
from tileserver.cli.cache import cache
from tileserver.cli.evaluate import evaluate
from tileserver.cli.keys import hash_key
from tileserver.cli.prerender import prerender
from tileserver.cli.serve import serve
from tileserver.cli.sources import check_config, info
from tileserver.cli.train import calibrate, train
from tileserver.cli.upscale import upscale
from tileserver.errors import OverzoomError
from tileserver.process.memory import bound_arenas

LIBRARY_ENVIRONMENT = {
    "GDAL_CACHEMAX": "200",  # MB; GDAL's own default is 5 % of the machine
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # what lies beside a raster is asked for by name
}


class _Group(click.Group):
    """Turns errors raised on purpose into one line and exit status 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (OverzoomError, EngineError) as error:
            click.echo(f"overzoom: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(package_name="overzoom")
def main() -> None:
    """Serve web map tiles beyond the imagery's native zoom."""
    for name, value in LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    bound_arenas()


for command in (serve, info, check_config, upscale, prerender, cache, hash_key):
    main.add_command(command)
for command in (train, calibrate, evaluate):
    main.add_command(command)
