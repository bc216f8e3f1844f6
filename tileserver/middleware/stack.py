"""The middleware of every request, outermost first; pure ASGI, so that disconnects are noticed.

PublicUrl     rewrites requests to the public address, if one is configured
RequestLog    correlation id, metrics, log line
OpenCors      also on errors
Guard         size limits, unexpected errors, security headers
ApiKeys       access by key, if any are configured
ClientLimits  concurrent requests by client
routes
"""

from __future__ import annotations

from fastapi import FastAPI

from tileserver.metrics import Metrics
from tileserver.middleware.api_keys import ApiKeys
from tileserver.middleware.client_limits import ClientLimits
from tileserver.middleware.guard import Guard
from tileserver.middleware.open_cors import OpenCors
from tileserver.middleware.public_url import PublicUrl
from tileserver.middleware.request_log import RequestLog
from tileserver.settings.server import Settings
from tileserver.settings.sources import SERVER_PAGES

EXPOSED = ["ETag", "Retry-After", "Server-Timing", "X-Request-ID", "X-Overzoom"]
EXPOSED += ["X-Overzoom-Scale", "X-Overzoom-Checkpoint", "X-Overzoom-Steps"]
EXPOSED += ["X-Overzoom-Detail", "X-Overzoom-Noise-Seed", "X-Overzoom-Fallback"]
EXPOSED += ["X-Overzoom-Imagery-Metres", "X-Overzoom-Pixel-Metres", "X-Overzoom-Zoom"]
EXPOSED += ["Content-Crs", "Content-Bbox"]
PAGES = SERVER_PAGES | {""}


def add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Register all of the above; the last one added is the outermost."""
    app.add_middleware(ClientLimits, settings=settings.access, refused=metrics.count_refused)
    if settings.access.keys:
        app.add_middleware(ApiKeys, settings=settings.access, pages=PAGES)
    basemap = settings.basemap.origin if settings.basemap else None
    app.add_middleware(Guard, public_url=settings.public_url, basemap=basemap)
    app.add_middleware(
        OpenCors,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],  # viewers and gateways add their own: they are harmless
        expose_headers=EXPOSED,
        max_age=86400,
    )
    app.add_middleware(RequestLog, settings=settings.log, metrics=metrics)
    if settings.public_url is not None:
        app.add_middleware(PublicUrl, url=settings.public_url, sources=settings.sources.keys())
