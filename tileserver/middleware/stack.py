"""What every request passes before a route: all of it pure ASGI, so that disconnects are seen.

PublicUrl     the address that documents name, where one is configured
Observation   id, counters, log line
CORS          on errors and refusals as well
Guard         sizes, faults, headers for browsers
Access        keys, where any are configured
Limited       turns by client
routes
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from tileserver.metrics import Metrics
from tileserver.middleware.api_keys import Access
from tileserver.middleware.client_limits import Limited
from tileserver.middleware.guard import Guard
from tileserver.middleware.public_url import PublicUrl
from tileserver.middleware.request_log import Observation
from tileserver.settings.server import RESERVED_IDS, Settings

EXPOSED = ["ETag", "Retry-After", "Server-Timing", "X-Request-ID", "X-Overzoom"]
EXPOSED += ["X-Overzoom-Scale", "X-Overzoom-Checkpoint", "X-Overzoom-Steps"]
EXPOSED += ["X-Overzoom-Detail", "X-Overzoom-Noise-Seed", "X-Overzoom-Fallback"]
EXPOSED += ["X-Overzoom-Imagery-Metres", "X-Overzoom-Pixel-Metres"]
PAGES = RESERVED_IDS | {""}


def add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Register everything above; what is added last is passed first."""
    app.add_middleware(Limited, settings=settings.access, refused=metrics.refused)
    if settings.access.keys:
        app.add_middleware(Access, settings=settings.access, pages=PAGES)
    app.add_middleware(Guard, public_url=settings.public_url)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],  # viewers and gateways add their own: they are harmless
        expose_headers=EXPOSED,
        max_age=86400,
    )
    app.add_middleware(Observation, settings=settings.log, metrics=metrics)
    if settings.public_url is not None:
        app.add_middleware(PublicUrl, url=settings.public_url, sources=settings.sources.keys())
