"""The server's own edge around a small application."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request
from starlette.types import ASGIApp

from tests.support.services import free_port
from tests.support.waiting import wait_until
from tileserver.process.server import make_config
from tileserver.settings.server import Settings


def small_app() -> FastAPI:
    app = FastAPI()

    @app.get("/client")
    async def client(request: Request) -> str:
        return f"{request.url.scheme} {request.client.host if request.client else ''}"

    return app


@contextmanager
def served(app: ASGIApp | None = None, **settings: object) -> Iterator[int]:
    """A small application behind the real edge, in a thread; gives its port."""
    values = Settings.model_validate({"port": free_port(), **settings})
    with serve_in_thread(app or small_app(), values):
        yield values.port


@contextmanager
def serve_in_thread(app: ASGIApp, settings: Settings) -> Iterator[None]:
    """Any application behind the real edge, while this lasts."""
    server = uvicorn.Server(make_config(app, settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive()
        yield
    finally:
        server.should_exit = True
        thread.join()
