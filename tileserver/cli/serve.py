"""`overzoom serve`: the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tileserver.cli.examples import examples
from tileserver.cli.options import settings_options
from tileserver.cli.selection import all_named, drawing_options
from tileserver.cli.serving import Serving


@click.command(
    epilog=examples(
        "overzoom serve scene.tif",
        "overzoom serve scene.tif folder/ --open --port 0 --cache-dir cache",
        "overzoom serve folder/ --mosaic --host 0.0.0.0 --port 8080",
        "overzoom serve --config overzoom.yaml --checkpoint compact --device cpu --threads 2",
        "overzoom serve --config overzoom.yaml --workers 2",
    )
)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@settings_options
@click.option("--host", help="Address to listen on; 0.0.0.0: all of this machine's.  [127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0: any free one.  [8000]")
@click.option("--open", "browser", is_flag=True, help="Open the viewer in a browser.")
@drawing_options
@click.option("--threads", type=int, help="Threads of the denoiser.  [one per core]")
@click.option("--workers", type=int, help="Processes, which share the port and the threads.  [1]")
def serve(
    sources: tuple[Path, ...],
    config: Path | None,
    browser: bool,
    mosaic: bool,
    **options: Any,
) -> None:
    """Serve rasters, or all rasters of a folder, as tiles."""
    settings = all_named(config, sources, mosaic=mosaic, **options)
    from tileserver.process.listening import close_all, listen

    # First: a busy port is reported at once.
    sockets = listen(settings.host, settings.port, settings.workers)
    try:
        Serving(settings, sockets, browser).run()
    finally:
        close_all(sockets)
