"""`overzoom info` and `overzoom check-config`: what would be served."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples
from tileserver.cli.options import check_there


@click.command(
    epilog=examples(
        "overzoom info scene.tif",
        "overzoom info scene.tif --checkpoint compact",
    )
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--checkpoint", help="The denoiser: a file, or a bundled one by name.")
def info(source: Path, checkpoint: str | None) -> None:
    """Print what would be served of a raster, as JSON."""
    check_there([source])
    from tileserver.assembly import open_catalogue
    from tileserver.catalogue.description import describe
    from tileserver.origins.naming import name_sources
    from tileserver.settings.reading import read_settings

    resume_garbage_collection()
    overrides: dict[str, Any] = {"sources": name_sources([source])}
    if checkpoint is not None:
        overrides["checkpoint"] = checkpoint
    settings = read_settings(None, overrides)
    named = {id: settings.sources[id] for id in overrides["sources"]}
    settings = settings.model_copy(update={"sources": named})  # none of the environment's
    with closing(open_catalogue(settings)) as catalogue:
        for opened in catalogue.sources():
            click.echo(json.dumps(describe(catalogue, opened), indent=2))


@click.command(
    short_help="Check a configuration and its sources.",
    epilog=examples(
        "overzoom check-config overzoom.yaml",
        "overzoom check-config overzoom.yaml --settings-only",
        "overzoom check-config --annotated",
        "overzoom check-config --schema",
    ),
)
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON schema of configurations instead.")
@click.option("--annotated", is_flag=True, help="Print a configuration with every default instead.")
@click.option("--settings-only", is_flag=True, help="Check the settings alone; open no source.")
def check_config(config: Path | None, schema: bool, annotated: bool, settings_only: bool) -> None:
    """Check CONFIG and open all of its sources: one line per source, or one per problem."""
    from tileserver.settings.document import annotate
    from tileserver.settings.document import schema as json_schema

    if schema or annotated:
        click.echo(json_schema() if schema else annotate(), nl=False)
        return
    if config is None:
        raise click.UsageError("name a configuration, --schema or --annotated")
    from tileserver.offline.check_config import check

    resume_garbage_collection()
    found = list(check(config, sources=not settings_only))
    for fine, line in found:
        click.echo(line if fine else f"overzoom: {line}", err=not fine)
    sys.exit(0 if all(fine for fine, _ in found) else 1)
