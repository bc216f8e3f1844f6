"""`overzoom serve`: the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tileserver.cli.options import check_there
from tileserver.errors import StartupError


@click.command()
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
    check_there([*sources, *([config] if config else [])])
    from tileserver.app import make_app
    from tileserver.middleware.logs import configure_logging
    from tileserver.origins.naming import name_sources
    from tileserver.process import server as serving
    from tileserver.settings.reading import read_settings

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
