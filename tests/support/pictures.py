"""Pictures that are drawn when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from engine.imagery import Pixels
from engine.pictures.probe import Waves
from engine.window import Window
from tests.support.waiting import LIMIT_SECONDS


class Gated:
    """Imagery that notes every window read, and lets the first read wait."""

    def __init__(self) -> None:
        self.reads: list[Window] = []
        self.entered, self.gate = threading.Event(), threading.Event()

    def read(self, window: Window) -> Pixels:
        self.reads.append(window)
        self.entered.set()
        assert self.gate.wait(LIMIT_SECONDS)
        return Waves().read(window)


@contextmanager
def occupy_denoiser(client: TestClient) -> Iterator[None]:
    """Until this ends an application's denoiser draws one window, and all others wait."""
    picture = Gated()
    scheduler = client.app.state.renderer.scheduler  # type: ignore[attr-defined]
    assert client.portal is not None
    drawing = client.portal.start_task_soon(scheduler.draw, picture, Window(0, 0, 256, 256))
    try:
        assert picture.entered.wait(LIMIT_SECONDS)
        yield
    finally:
        picture.gate.set()
        drawing.result()
