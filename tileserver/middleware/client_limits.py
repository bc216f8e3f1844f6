"""Limits the number of concurrent requests, by client and in total.

A map requests a whole view at once, so requests beyond a client's limit wait for a slot instead of
failing. The newest gets the next slot, because it is what the viewer shows now; if too many wait,
the oldest is answered 429 with Retry-After. A client is remembered only while it has requests.

A tile acquires its slot only if it must be made (slot_of): tiles in memory and 304 answers need
none. Every other request acquires its slot on arrival.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from ipaddress import IPv6Address

from starlette.types import ASGIApp, Receive, Scope, Send

from tileserver.errors import Overloaded, RequestError, TooManyRequests
from tileserver.middleware.api_keys import first_element, grant_of
from tileserver.middleware.error_handlers import error_response
from tileserver.middleware.logs import quote_path
from tileserver.settings.operation import AccessSettings

logger = logging.getLogger(__name__)

NETWORK_64 = len("2001:0db8:0000:0000")
EXEMPT = frozenset({"healthz", "readyz", "metrics", "status.json"})
"""Routes without limits: they cost nothing, and monitoring needs them under load."""
TILE = re.compile(r"/[0-9]+/[0-9]+/[0-9]+(@[0-9]x)?(\.[a-z]+)?\Z")
SLOT = "overzoom.slot"
"""The key in a request's scope of the slot that it has not acquired yet."""


class ClientSlots:
    """The slots of all clients."""

    def __init__(self, settings: AccessSettings) -> None:
        self.settings = settings
        self._clients: dict[str, _Client] = {}

    def __len__(self) -> int:
        """The number of clients with requests."""
        return len(self._clients)

    async def acquire(self, client: str) -> None:
        """Wait for a slot; raises TooManyRequests."""
        entry = self._clients.setdefault(client, _Client())
        if entry.running < self.settings.client_requests:
            entry.running += 1
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry.waiting.append(slot)
        if len(entry.waiting) > self.settings.client_waiting:
            oldest = entry.waiting.popleft()
            if not oldest.done():  # else its request was cancelled
                oldest.set_exception(TooManyRequests())
        try:
            async with asyncio.timeout(self.settings.wait_seconds):
                await slot
        except TimeoutError:
            self._withdraw(client, entry, slot)
            raise TooManyRequests from None
        except asyncio.CancelledError:
            self._withdraw(client, entry, slot)
            raise

    def release(self, client: str) -> None:
        """Release a slot: the newest waiting request gets it."""
        entry = self._clients[client]
        while entry.waiting:
            slot = entry.waiting.pop()
            if not slot.done():
                slot.set_result(None)
                return
        entry.running -= 1
        if not entry.running:
            del self._clients[client]

    def _withdraw(self, client: str, entry: _Client, slot: asyncio.Future[None]) -> None:
        """Stop waiting; a slot that was granted at the same moment is released."""
        if slot in entry.waiting:
            entry.waiting.remove(slot)
        elif slot.done() and not slot.cancelled() and slot.exception() is None:
            self.release(client)


class _Client:
    """One client's running and waiting requests."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class ClientLimits:
    """ASGI middleware: passes requests on when they have a slot."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, refused: Callable[[str], None]
    ) -> None:
        """refused: called with "client" or "requests" for every refused request."""
        self.app, self.settings, self.refused = app, settings, refused
        self.slots = ClientSlots(settings)
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or first_element(scope) in EXEMPT:
            await self.app(scope, receive, send)
            return
        if self._requests >= self.settings.requests:
            asked, most = quote_path(first_element(scope)), self.settings.requests
            logger.warning("%s: 503, %s (%d requests running)", asked, Overloaded.text, most)
            await self._refuse("requests", Overloaded(), scope, receive, send)
            return
        self._requests += 1
        client = client_of(scope)
        try:
            if TILE.search(scope["path"]):
                await self.app({**scope, SLOT: lambda: self._slot(client)}, receive, send)
                return
            async with self._slot(client):
                await self.app(scope, receive, send)
        except TooManyRequests as error:
            await error_response(error)(scope, receive, send)
        finally:
            self._requests -= 1

    @asynccontextmanager
    async def _slot(self, client: str) -> AsyncIterator[None]:
        """Holds a slot of a client; raises TooManyRequests."""
        try:
            await self.slots.acquire(client)
        except TooManyRequests:
            self.refused("client")
            raise
        try:
            yield
        finally:
            self.slots.release(client)

    async def _refuse(
        self, reason: str, error: RequestError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.refused(reason)
        await error_response(error)(scope, receive, send)


def slot_of(scope: Scope) -> AbstractAsyncContextManager[None]:
    """The slot of a request, acquired when entered; raises TooManyRequests then."""
    slot: AbstractAsyncContextManager[None] = scope.get(SLOT, nullcontext)()
    return slot


def client_of(scope: Scope) -> str:
    """Identifies a client: key name and address (of IPv6 the /64, one customer's network).

    Both, because all visitors of a web page share its key.
    """
    address: str = (scope.get("client") or ("local",))[0]
    if ":" in address:
        with suppress(ValueError):  # a proxy may use other names for clients
            number = IPv6Address(address.partition("%")[0])
            address = str(number.ipv4_mapped or number.exploded[:NETWORK_64])
    return f"{grant_of(scope).name} {address}"
