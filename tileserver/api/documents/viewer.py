"""The viewer's page at /, its files, and what the page is told of the server's settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tileserver.api.documents.ogc import landing_page, wants_json
from tileserver.api.documents.pages import VIEWER
from tileserver.api.documents.static import REVALIDATED, Page, Precompressed
from tileserver.catalogue.catalogue import Absent
from tileserver.catalogue.layers import Source
from tileserver.settings.server import Settings


def add_viewer(
    app: FastAPI, settings: Settings, seen: Callable[[Request], Sequence[Source | Absent]]
) -> None:
    """Register the viewer; seen: the sources that a client may see, of the landing page."""
    page = Page(VIEWER / "index.html")
    app.mount("/viewer", Precompressed(VIEWER / "vendor"), name="viewer")

    @app.get("/", include_in_schema=False)
    async def viewer(request: Request) -> Response:
        if wants_json(request):
            headers = {"Cache-Control": f"private, {REVALIDATED}", "Vary": "Accept"}
            sources = [source for source in seen(request) if isinstance(source, Source)]
            return JSONResponse(landing_page(request, sources), headers=headers)
        answer = page.answer(request)
        answer.headers.add_vary_header("Accept")
        return answer

    @app.get("/viewer.json", include_in_schema=False)
    async def viewer_settings() -> JSONResponse:
        basemap = settings.basemap.model_dump() if settings.basemap else None
        return JSONResponse(
            {"basemap": basemap, "map_side_px": settings.map_side_px},
            headers={"Cache-Control": REVALIDATED},
        )
