"""API keys: who may see which source.

Without configured keys everything is open and this stands in nobody's way. With keys, a source is
open where it is listed as public; else the request must carry a key that opens it:

    Authorization: Bearer KEY      X-API-Key: KEY      ?key=KEY

No key, or an unknown one: 401, whether or not there is such a source. A known key that does not
open the source: 404, as if there were none, so that ids of others are not told.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tileserver.errors import KeyNeeded, RequestError, UnknownSource
from tileserver.middleware.error_handlers import error_response
from tileserver.settings.operation import AccessSettings

LONGEST_KEY = 256
FIGURES = frozenset({"metrics", "status.json"})
ANY = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may see."""

    name: str
    """The key's name; empty where no key was given."""
    sources: frozenset[str]

    def allows(self, source: str) -> bool:
        return ANY in self.sources or source in self.sources


EVERYTHING = Grant("", frozenset({ANY}))


def grant_of(scope: Scope) -> Grant:
    """The grant of a request that has passed Access; everything where there is no Access."""
    grant: Grant = scope.get("state", {}).get("grant", EVERYTHING)
    return grant


def with_key(url: str, request: Request) -> str:
    """A URL for the same client, with the key that it gave in the query (no other is written)."""
    key = request.query_params.get("key")
    if key is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}key={quote(key, safe='')}"


def links_with_key(document: dict[str, Any], request: Request) -> dict[str, Any]:
    """A TileJSON document whose tiles the same client may load."""
    return {**document, "tiles": [with_key(url, request) for url in document["tiles"]]}


class Access:
    """Turns away who may not see a source; answers of sources that need a key are private."""

    def __init__(self, app: ASGIApp, settings: AccessSettings, pages: frozenset[str]) -> None:
        """pages: the first path elements that are no sources; they are open, figures apart."""
        self.app, self.settings = app, settings
        self.open = pages - (frozenset() if settings.figures_public else FIGURES)
        self.public = Grant("", frozenset(settings.public))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        place = first_element(scope)
        try:
            grant = self._grant(scope)
            scope.setdefault("state", {})["grant"] = grant
            self._check(grant, place)
        except RequestError as error:
            await error_response(error)(scope, receive, send)
            return
        if place in self.open or self.public.allows(place):
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _private(send))

    def _grant(self, scope: Scope) -> Grant:
        given = _given_key(scope)
        if given is None:
            return self.public
        digest = hashlib.sha256(given.encode()).hexdigest()
        found = None
        for name, key in self.settings.keys.items():  # all of them: time tells nothing
            if hmac.compare_digest(key.sha256, digest):
                found = Grant(name, frozenset(key.sources) | self.public.sources)
        if found is None:
            raise KeyNeeded
        return found

    def _check(self, grant: Grant, place: str) -> None:
        if place in self.open or grant.allows(place) or (place in FIGURES and grant.name):
            return
        raise UnknownSource if grant.name else KeyNeeded


def first_element(scope: Scope) -> str:
    """A path's first element, decoded; the id of a source or a page's name."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if path.startswith(f"{root}/"):  # whole elements, as the router does
        path = path.removeprefix(root)
    return path.removeprefix("/").partition("/")[0]


def _given_key(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    given = credentials.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")
    if given is None and b"key=" in scope["query_string"]:
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        given = next((value for name, value in query if name == "key"), None)
    if given is not None and len(given) > LONGEST_KEY:
        raise KeyNeeded
    return given


def _private(send: Send) -> Send:
    """No shared cache may keep the answer; one that does must tell keys apart."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            kept = headers.get("cache-control", "private")
            headers["cache-control"] = kept.replace("public", "private")
            headers.add_vary_header("Authorization, X-API-Key")
        await send(message)

    return sending
