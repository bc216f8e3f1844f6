"""Which sources a command works on: ids of the configuration, rasters, folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tileserver.cli.options import check_there, overrides_of
from tileserver.errors import StartupError

if TYPE_CHECKING:
    from tileserver.settings.server import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def drawing_options(command: Command) -> Command:
    """--mosaic, --checkpoint and --device: with those of `serve`, the tiles are the server's."""
    for option in (
        click.option("--device", help="Where the denoiser runs: cpu, cuda, ...  [cpu]"),
        click.option("--checkpoint", help="The denoiser: a file, or a bundled one by name."),
        click.option("--mosaic", is_flag=True, help="Each folder is one source."),
    ):
        command = option(command)
    return command


def all_named(
    config: Path | None, paths: Sequence[Path], *, mosaic: bool, **options: Any
) -> Settings:
    """The settings of `serve`: all sources of the configuration, and those of the paths.

    Raises StartupError, also where there is nothing to serve.
    """
    check_there([*paths, *([config] if config else [])])
    from tileserver.origins.naming import name_sources
    from tileserver.settings.reading import read_settings

    _check_mosaic(paths, mosaic)
    overrides = overrides_of(**options)
    if paths:
        overrides["sources"] = name_sources(paths, mosaic=mosaic)
    settings = read_settings(config, overrides)
    if not settings.sources:
        raise StartupError("nothing to serve: name a raster, a folder or a configuration")
    return settings


def only_named(
    config: Path | None, names: Sequence[str], *, mosaic: bool, **options: Any
) -> Settings:
    """Settings with the named sources alone: ids of the configuration, rasters and folders.

    Rasters get the ids that `serve` gives them. Raises StartupError.
    """
    if config is not None:
        check_there([config])
    from tileserver.origins.naming import name_sources
    from tileserver.settings.reading import read_settings

    overrides = overrides_of(**options)
    known = read_settings(config, overrides).sources
    paths = [Path(name) for name in names if name not in known]
    for path in paths:
        if not path.exists():
            raise StartupError(f"{path}: no source of the configuration, and no file or folder")
    _check_mosaic(paths, mosaic)
    added = name_sources(paths, mosaic=mosaic)
    settings = read_settings(config, {**overrides, "sources": added} if added else overrides)
    wanted = [name for name in names if name in known] + list(added)
    return settings.model_copy(update={"sources": {id: settings.sources[id] for id in wanted}})


def _check_mosaic(paths: Sequence[Path], mosaic: bool) -> None:
    if mosaic and not any(path.is_dir() for path in paths):
        raise click.UsageError("--mosaic: name a folder")
