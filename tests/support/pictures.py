"""Pictures that are drawn when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.testclient import TestClient

from engine.imagery import Imagery, Input, Picture, Pixels
from engine.pictures.pinned import Pinned
from engine.pictures.probe import Waves
from engine.window import Window
from tests.support.waiting import LIMIT_SECONDS

NOTHING = Pinned([])
"""What a picture reads that has no source."""


class Sourceless(Picture):
    """A picture that reads nothing."""

    def inputs(self, window: Window) -> list[Input]:
        return []

    def read_many(self, windows: Sequence[Window], source: Imagery | None = None) -> list[Pixels]:
        return [Waves().read(window) for window in windows]


class Gated(Sourceless):
    """Notes the windows drawn, by batch, and lets the first wait."""

    def __init__(self) -> None:
        self.batches: list[list[Window]] = []
        self.entered, self.gate = threading.Event(), threading.Event()

    @property
    def reads(self) -> list[Window]:
        """All windows drawn."""
        return [window for batch in self.batches for window in batch]

    def read_many(self, windows: Sequence[Window], source: Imagery | None = None) -> list[Pixels]:
        self.batches.append(list(windows))
        self.entered.set()
        assert self.gate.wait(LIMIT_SECONDS)
        return super().read_many(windows, source)


@contextmanager
def occupy_denoiser(client: TestClient) -> Iterator[None]:
    """Until this ends an application's denoiser draws one window, and all others wait."""
    picture, window = Gated(), Window(0, 0, 256, 256)
    scheduler = client.app.state.tiles.scheduler  # type: ignore[attr-defined]  # Starlette's state is untyped
    assert client.portal is not None
    drawing = client.portal.start_task_soon(scheduler.draw, picture, window, NOTHING)
    try:
        assert picture.entered.wait(LIMIT_SECONDS)
        yield
    finally:
        picture.gate.set()
        drawing.result()
