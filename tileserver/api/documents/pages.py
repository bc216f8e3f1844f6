"""Pages that load nothing from elsewhere, where titiler's and FastAPI's use a CDN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tileserver.api.documents.static import Page
from tileserver.api.tile_parameters import GridId
from tileserver.catalogue.coverage import tile_limits
from tileserver.catalogue.layers import Source
from tileserver.errors import OutsideGrid
from tileserver.middleware.api_keys import with_key

VIEWER = Path(__file__).parents[2] / "viewer"


def add_map_page(router: APIRouter, path_dependency: Callable[..., Any]) -> None:
    """Register a map of a source on any grid; its parameters are passed on to the tiles."""
    page = Page(VIEWER / "map.html")

    @router.get("/{tileMatrixSetId}/map.html", response_class=HTMLResponse)
    def map_viewer(
        request: Request, tileMatrixSetId: GridId, source: Source = Depends(path_dependency)
    ) -> Response:
        """A map of the source on a grid."""
        if not tile_limits(source.layer(tileMatrixSetId)):
            raise OutsideGrid
        return page.answer(request)


def add_api_page(app: FastAPI) -> None:
    """Register the page of all routes, /api.html, and what browsers and people try."""
    page = Page(VIEWER / "api.html")

    @app.get("/api.html", include_in_schema=False)
    async def api(request: Request) -> Response:
        return page.answer(request)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> RedirectResponse:
        return RedirectResponse(with_key("api.html", request))

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> RedirectResponse:
        return RedirectResponse("viewer/icon.svg")
