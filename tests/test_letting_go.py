"""What tests make is let go after each of them: a worker does not grow from test to test."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.support.fixtures import forget_applications
from tests.support.server import wait_until_ready
from tileserver.app import make_app
from tileserver.settings.server import Settings


def test_an_application_that_nobody_uses_any_more_is_let_go(
    app_settings: Callable[..., Settings],
) -> None:
    def use() -> weakref.ref[FastAPI]:
        app = make_app(app_settings())
        with TestClient(app) as client:
            wait_until_ready(client)
            assert client.get("/openapi.json").status_code == 200
        return weakref.ref(app)

    used = use()
    forget_applications()
    gc.collect()
    assert used() is None
