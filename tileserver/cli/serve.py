"""`overzoom serve`: the server."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from tileserver.cli.examples import examples
from tileserver.cli.options import settings_options
from tileserver.cli.selection import all_named, drawing_options

if TYPE_CHECKING:
    from tileserver.settings.server import Settings


@click.command(
    epilog=examples(
        "overzoom serve scene.tif",
        "overzoom serve scene.tif folder/ --open --port 0 --cache-dir cache",
        "overzoom serve folder/ --mosaic --host 0.0.0.0 --port 8080",
        "overzoom serve --config overzoom.yaml --checkpoint compact --device cpu --threads 2",
    )
)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@settings_options
@click.option("--host", help="Address to listen on; 0.0.0.0: all of this machine's.  [127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0: any free one.  [8000]")
@click.option("--open", "browser", is_flag=True, help="Open the viewer in a browser.")
@drawing_options
@click.option("--threads", type=int, help="Threads of the denoiser.  [one per core]")
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

    sockets = listen(settings.host, settings.port)  # first: a busy port is told at once
    try:
        _serve(settings, sockets, browser)
    finally:
        close_all(sockets)


def _serve(settings: Settings, sockets: list[socket.socket], browser: bool) -> None:
    from tileserver.app import make_app
    from tileserver.cli.greeting import greet
    from tileserver.middleware.logs import configure_logging
    from tileserver.process import server as serving
    from tileserver.process.listening import url_of

    configure_logging(settings.log)
    app = make_app(settings)
    url = url_of(settings.host, sockets)
    for line in greet(app.state.tiles.catalogue, settings.public_url or url):
        click.echo(line)
    if browser:
        # The sockets listen already: the browser waits until there is an answer.
        Thread(target=click.launch, args=(f"{url}/", True), daemon=True).start()
    serving.run(app, app.state.health, settings, sockets)
