"""The processes of `overzoom serve`: one, or a supervisor and its workers."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING

import click

from engine.errors import EngineError
from tileserver.cli.environment import (
    pause_garbage_collection,
    quiet_libraries,
    resume_garbage_collection,
    set_environment,
)
from tileserver.errors import OverzoomError

if TYPE_CHECKING:
    from tileserver.catalogue.catalogue import Catalogue
    from tileserver.settings.server import Settings


@dataclass(frozen=True)
class Serving:
    """What a server's processes share."""

    settings: Settings
    sockets: list[socket.socket]
    """Those that listen."""
    browser: bool
    """Whether to open the viewer."""

    def run(self) -> None:
        """Serve until a signal; exits with status 1 where a worker cannot start or end."""
        if self.settings.workers == 1:
            self._serve(1, None, greets=True)
            return
        from tileserver.middleware.logs import configure_logging
        from tileserver.process.supervisor import Supervisor

        configure_logging(self.settings.log)
        status = Supervisor(self.settings.workers, self.work, self.sockets).run()
        if status:
            sys.exit(status)

    def work(self, number: int, supervisor: Connection, greets: bool) -> None:
        """The whole life of a worker, in a process of its own."""
        # Ctrl-C reaches the supervisor alone, which ends the workers; until here it was ignored.
        os.setpgrp()
        pause_garbage_collection()
        set_environment()
        quiet_libraries()
        try:
            self._serve(number, supervisor, greets=greets)
        except (OverzoomError, EngineError) as error:
            click.echo(f"overzoom: {error}", err=True)
            sys.exit(1)

    def _serve(self, number: int, supervisor: Connection | None, *, greets: bool) -> None:
        import torch

        from tileserver.app import make_app
        from tileserver.middleware.logs import configure_logging
        from tileserver.process import server
        from tileserver.process.listening import own_sockets
        from tileserver.process.reporter import Reporter

        configure_logging(self.settings.log)
        settings = self.settings.share(torch.get_num_threads())
        app = make_app(settings)
        resume_garbage_collection()
        service, health = app.state.tiles, app.state.health
        if greets:
            self._greet(service.catalogue)
        if supervisor is not None:
            Reporter(supervisor, service.metrics, health).start()
        own = own_sockets(self.sockets, number, settings.workers)
        others = [one for one in self.sockets if one not in own]
        server.run(app, health, settings, own, others)

    def _greet(self, catalogue: Catalogue) -> None:
        from tileserver.cli.greeting import greet
        from tileserver.process.listening import url_of

        url = url_of(self.settings.host, self.sockets)
        for line in greet(catalogue, self.settings.public_url or url):
            click.echo(line)
        if self.browser:
            # The sockets listen already: the browser waits until there is an answer.
            Thread(target=click.launch, args=(f"{url}/", True), daemon=True).start()
