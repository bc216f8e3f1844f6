"""The command `overzoom`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from engine.errors import EngineError
from tileserver.cli.cache import cache
from tileserver.cli.evaluate import evaluate
from tileserver.cli.prerender import prerender
from tileserver.errors import OverzoomError, StartupError
from tileserver.process.memory import bound_arenas
from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED

LIBRARY_ENVIRONMENT = {
    "GDAL_CACHEMAX": "200",  # MB; GDAL's own default is 5 % of the machine
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # what lies beside a raster is asked for by name
}


INTERRUPTED = 130
"""The exit status of what Ctrl-C has stopped: 128 and the number of its signal."""


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
    """Web map tiles that go on where the imagery ends."""
    for name, value in LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    bound_arenas()


@main.command()
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="Configuration in YAML.")
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [8000]")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Folder of the disk cache.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The denoiser to use.")
@click.option("--device", help="Where the denoiser runs: cpu, cuda, ...  [cpu]")
@click.option("--threads", type=int, help="Threads of the denoiser.  [one a core]")
def serve(
    sources: tuple[Path, ...],
    config: Path | None,
    cache_dir: Path | None,
    **options: Any,
) -> None:
    """Serve rasters, or all rasters of a folder, as tiles."""
    _check_there([*sources, *([config] if config else [])])
    from tileserver.app import make_app
    from tileserver.middleware.logs import configure_logging
    from tileserver.origins.naming import name_sources
    from tileserver.process import server as serving
    from tileserver.settings.server import read_settings

    overrides = {name: value for name, value in options.items() if value is not None}
    if sources:
        overrides["sources"] = name_sources(sources)
    if cache_dir is not None:
        overrides["cache"] = {"folder": str(cache_dir)}
    settings = read_settings(config, overrides)
    if not settings.sources:
        raise StartupError("nothing to serve: name a raster, a folder or a configuration")
    configure_logging(settings.log)
    app = make_app(settings)
    click.echo(f"Overzoom: open http://{settings.host}:{settings.port}/ in a browser")
    serving.run(app, app.state.health, settings)


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The denoiser to use.")
def info(source: Path, checkpoint: Path | None) -> None:
    """Print what would be served of a raster, as JSON."""
    _check_there([source])
    from tileserver.app import open_catalogue
    from tileserver.catalogue.description import describe
    from tileserver.origins.naming import name_sources
    from tileserver.settings.server import read_settings

    overrides: dict[str, Any] = {"sources": name_sources([source])}
    if checkpoint is not None:
        overrides["checkpoint"] = str(checkpoint)
    with closing(open_catalogue(read_settings(None, overrides))) as catalogue:
        for opened in catalogue.sources():
            click.echo(json.dumps(describe(catalogue, opened), indent=2))


@main.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON schema of configurations instead.")
@click.option("--annotated", is_flag=True, help="Print a configuration with every default instead.")
@click.option("--settings-only", is_flag=True, help="Open no source: it may be away at present.")
def check_config(config: Path | None, schema: bool, annotated: bool, settings_only: bool) -> None:
    """Open everything that CONFIG names, and print what would be served, or a line a problem."""
    from tileserver.settings import document as configuration

    if schema or annotated:
        click.echo(configuration.schema() if schema else configuration.annotated(), nl=False)
        return
    if config is None:
        raise click.UsageError("name a configuration, --schema or --annotated")
    found = list(configuration.check(config, sources=not settings_only))
    for fine, line in found:
        click.echo(line if fine else f"overzoom: {line}", err=not fine)
    sys.exit(0 if all(fine for fine, _ in found) else 1)


@main.command()
def hash_key() -> None:
    """Make an API key: for the client the key, for access.keys in the configuration its hash."""
    import hashlib
    import secrets

    key = secrets.token_urlsafe(32)  # as long as its hash: no dictionary finds it
    click.echo(f"key:    {key}\nsha256: {hashlib.sha256(key.encode()).hexdigest()}")


@main.command()
@click.option(
    "--data",
    multiple=True,
    required=True,
    help="Folder or raster to train on; FOLDER=3 draws from it three times as often.",
)
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--initial",
    type=click.Path(path_type=Path),
    help="Checkpoint to start from; a smaller network grows into this one.",
)
@click.option(
    "--stage",
    type=click.Choice(["mean", "texture", "deviation"]),
    help="The encoder, the denoiser on top of it, or its uncertainty alone.  [mean]",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="Parameters of SPAN x4, whose pictures of native imagery are learned from.",
)
@click.option("--iterations", type=int, help="Batches to train for.")
@click.option("--minutes", type=float, help="Train for this long instead.")
@click.option("--batch-size", type=int)
@click.option("--crop-px", type=int)
@click.option("--width", type=int, help="Channels of the network.")
@click.option("--encoder-blocks", type=int)
@click.option("--denoiser-blocks", type=int)
@click.option(
    "--context",
    type=click.Choice(["local", "global"]),
    help="global: a U-Net with attention, which only comparisons can use.  [local]",
)
@click.option("--learning-rate", type=float)
@click.option("--encoder-rate", type=float, help="The encoder's share of it in stage texture.")
@click.option("--picture-weight", type=float, help="Of drawn pictures' squared error.")
@click.option("--perceptual-weight", type=float, help="0 draws no pictures.")
@click.option("--own-output-share", type=float, help="Of batches that start from own output.")
@click.option("--noise-seed", type=click.IntRange(0, 2**31 - 1))
@click.option("--save-every-seconds", type=float, help="How often to save.  [120]")
@click.option("--device", help="cpu, cuda, ...")
@click.option(
    "--bfloat16/--float32",
    default=None,
    help="Mixed precision; pays on a GPU and on processors with AVX-512 BF16.",
)
def train(data: tuple[str, ...], run: Path, **options: Any) -> None:
    """Train a network for two zooms; the same command resumes where it was stopped."""
    from tileserver.lab.training import train_with_progress

    train_with_progress(data, run, {k: v for k, v in options.items() if v is not None})


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--factor", type=click.Choice(["2", "4", "8"]), default="2", show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The denoiser to use.")
@click.option("--steps", type=click.IntRange(1, 2000), help="Denoising steps a zoom.  [2]")
@click.option(
    "--detail",
    type=click.FloatRange(0, 1),
    help="How much synthesised texture; 0 writes the best estimate alone.  [0.65]",
)
@click.option(
    "--noise-seed",
    type=click.IntRange(MIN_NOISE_SEED, MAX_NOISE_SEED),
    default=0,
    show_default=True,
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads of the denoiser.  [one a core]")
@click.option(
    "--range",
    "value_range",
    type=(float, float),
    help="What the network sees as black and white; nothing is clipped.  [as served]",
)
@click.option(
    "--uncertainty",
    type=click.Path(path_type=Path),
    help="Also write the standard deviation of the error to this GeoTIFF.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def upscale(source: Path, out: Path, uncertainty: Path | None, **options: Any) -> None:
    """Super-resolve a whole raster on its own grid, to a COG (.tif) or a PNG.

    The same command resumes where it was stopped. Files that are there already are kept, unless
    they may be overwritten.
    """
    try:
        from tileserver.offline.upscaling import parse_options, upscale

        for line in upscale(source, out, parse_options(options), uncertainty):
            click.echo(line)
    except KeyboardInterrupt:
        click.echo("overzoom: stopped; the same command resumes", err=True)
        sys.exit(INTERRUPTED)


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Use so many pictures a place.")
@click.option("--threads", type=click.IntRange(1), help="[one a core]")
def calibrate(
    checkpoint: Path, pictures: tuple[Path, ...], limit: int | None, threads: int | None
) -> None:
    """Fit the uncertainty of CHECKPOINT to its errors on PICTURES, and write it back."""
    import torch

    from tileserver.lab.calibrating import calibrate

    if threads is not None:
        torch.set_num_threads(threads)
    calibrate(checkpoint, pictures, limit)


main.add_command(cache)
main.add_command(evaluate)
main.add_command(prerender)


def _check_there(paths: Iterable[Path]) -> None:
    """Raises StartupError for a path that is missing, before seconds are spent on imports."""
    for path in paths:
        if not path.exists():
            raise StartupError(f"{path}: no such file or folder")
