"""API keys: which requests may read which source.

Without configured keys everything is public, and this middleware is not installed. With keys, a
source that is not listed as public needs a key that grants it:

    Authorization: Bearer KEY      X-API-Key: KEY      ?key=KEY

No key, or an unknown one: 401, whether or not the source exists. A known key without access to the
source: 404, as if it did not exist, so that the ids of others are not revealed.
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
METRICS = frozenset({"metrics", "status.json"})
ANY = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """The sources that a request may read."""

    name: str
    """The key's name; empty without a key."""
    sources: frozenset[str]

    def allows(self, source: str) -> bool:
        return ANY in self.sources or source in self.sources


EVERYTHING = Grant("", frozenset({ANY}))


def grant_of(scope: Scope) -> Grant:
    """The grant of a request that has passed ApiKeys; everything without ApiKeys."""
    grant: Grant = scope.get("state", {}).get("grant", EVERYTHING)
    return grant


def with_key(url: str, request: Request) -> str:
    """A URL with the key of the request's query; keys in headers are never written to URLs."""
    key = request.query_params.get("key")
    if key is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}key={quote(key, safe='')}"


def links_with_key(document: dict[str, Any], request: Request) -> dict[str, Any]:
    """A TileJSON document whose tile URLs carry the key of the request's query."""
    return {**document, "tiles": [with_key(url, request) for url in document["tiles"]]}


class ApiKeys:
    """Refuses requests without access; answers of sources that need a key are private."""

    def __init__(self, app: ASGIApp, settings: AccessSettings, pages: frozenset[str]) -> None:
        """pages: first path elements that are not sources; they are public, metrics excepted."""
        self.app, self.settings = app, settings
        self.open = pages - (frozenset() if settings.figures_public else METRICS)
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
        for name, key in self.settings.keys.items():  # compares all keys: constant time
            if hmac.compare_digest(key.sha256, digest):
                found = Grant(name, frozenset(key.sources) | self.public.sources)
        if found is None:
            raise KeyNeeded
        return found

    def _check(self, grant: Grant, place: str) -> None:
        if place in self.open or grant.allows(place) or (place in METRICS and grant.name):
            return
        raise UnknownSource if grant.name else KeyNeeded


def first_element(scope: Scope) -> str:
    """A path's first element, decoded: the id of a source or the name of a page."""
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
    """Marks answers as private and varying by key, for caches."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            control = headers.get("cache-control", "private")
            headers["cache-control"] = control.replace("public", "private")
            headers.add_vary_header("Authorization, X-API-Key")
        await send(message)

    return sending
