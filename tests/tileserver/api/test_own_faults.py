"""What fails in our own code is a fault, not the client's: 500, and a traceback in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from tileserver.app import make_app
from tileserver.settings.server import Settings

FAULTS = [KeyError("x"), TypeError("x"), ValueError("x"), IndexError("x"), ZeroDivisionError("x")]


@pytest.fixture(scope="module")
def client(config_settings: Settings) -> Iterator[TestClient]:
    with TestClient(make_app(config_settings), raise_server_exceptions=False) as client:
        yield client


def failing(fault: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise fault

    return fail


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("api.documents.tilejson.tilejson_document", "tilejson.json"),
        ("api.uncertainty.legend", "uncertainty/legend.json"),
        ("api.documents.thumbnail.render_levels", "thumbnail.webp"),
        ("imagery.handles.open_raster", "info"),  # below a route of titiler's
    ],
)
def test_it_is_answered_and_logged_as_one(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
    path: str,
    fault: Exception,
) -> None:
    client.app.state.tiles.catalogue.handle_pool.close()  # type: ignore[attr-defined]  # Starlette's state is untyped
    monkeypatch.setattr(f"tileserver.{place}", failing(fault))
    answer = client.get(f"/yellowstone/{path}")
    assert (answer.status_code, answer.json()) == (500, {"detail": "internal error"})
    logged = [one for one in caplog.records if one.exc_info and one.exc_info[1] is fault]
    assert [one.levelname for one in logged] == ["ERROR"]


@pytest.mark.parametrize("path", ["preview", "bbox/-110.644,44.955,-110.643,44.957"])
@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_the_type_of_a_jpeg_is_a_registered_one(client: TestClient, path: str, suffix: str) -> None:
    answer = client.get(f"/yellowstone/{path}.{suffix}?max_size=16")
    assert answer.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "query",
    ["bidx=9", "expression=b1%2F", "colormap=%7B%22a%22:1%7D", "rescale=x", "dst_crs=EPSG:1"],
)
def test_what_titiler_cannot_use_stays_the_client_s(client: TestClient, query: str) -> None:
    assert client.get(f"/yellowstone/preview.png?{query}").status_code in (400, 422)
