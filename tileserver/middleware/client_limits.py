"""Turns: how many requests of one client, and of all, are worked on at a time.

A map asks for a whole view at once, so a request beyond a client's share waits rather than fails,
and the newest goes first: what was asked for last is what the viewer looks at. Of too many waiting
the oldest is refused (429, Retry-After). A client is known only while it has a request here.

A tile takes its turn where it must be made (turn_of): what is in memory, or with the client
already, is answered at once. Every other request takes its turn on arrival.
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
from tileserver.settings.operation import AccessSettings

logger = logging.getLogger(__name__)

NETWORK_64 = len("2001:0db8:0000:0000")
EXEMPT = frozenset({"healthz", "readyz", "metrics", "status.json"})
"""Answered at once whatever else is going on: they cost nothing, and say what is going on."""
TILE = re.compile(r"/[0-9]+/[0-9]+/[0-9]+(@[0-9]x)?(\.[a-z]+)?\Z")
TURN = "overzoom.turn"
"""Where a request's scope holds the turn that it may still take."""


class Turns:
    """Gives every client its share of turns."""

    def __init__(self, settings: AccessSettings) -> None:
        self.settings = settings
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        """Clients that are known."""
        return len(self._lines)

    async def take(self, client: str) -> None:
        """Wait for a turn; raises TooManyRequests."""
        line = self._lines.setdefault(client, _Line())
        if line.running < self.settings.client_requests:
            line.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        if len(line.waiting) > self.settings.client_waiting:
            oldest = line.waiting.popleft()
            if not oldest.done():  # else its request is leaving
                oldest.set_exception(TooManyRequests())
        try:
            async with asyncio.timeout(self.settings.wait_seconds):
                await turn
        except TimeoutError:
            self._leave(client, line, turn)
            raise TooManyRequests from None
        except asyncio.CancelledError:
            self._leave(client, line, turn)
            raise

    def give_back(self, client: str) -> None:
        """End a turn: the newest that waits has it next."""
        line = self._lines[client]
        while line.waiting:
            turn = line.waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        line.running -= 1
        if not line.running:
            del self._lines[client]

    def _leave(self, client: str, line: _Line, turn: asyncio.Future[None]) -> None:
        """Out of the line; a turn that was given in the same moment goes to the next."""
        if turn in line.waiting:
            line.waiting.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self.give_back(client)


class _Line:
    """One client's requests."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Limited:
    """Lets requests through in turns."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, refused: Callable[[str], None]
    ) -> None:
        """refused: told "client" or "requests" whenever a request is turned away."""
        self.app, self.settings, self.refused = app, settings, refused
        self.turns = Turns(settings)
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or first_element(scope) in EXEMPT:
            await self.app(scope, receive, send)
            return
        if self._requests >= self.settings.requests:
            asked, most = first_element(scope), self.settings.requests
            logger.warning("%s: 503, %s (%d requests under way)", asked, Overloaded.text, most)
            await self._refuse("requests", Overloaded(), scope, receive, send)
            return
        self._requests += 1
        client = client_of(scope)
        try:
            if TILE.search(scope["path"]):
                await self.app({**scope, TURN: lambda: self._turn(client)}, receive, send)
                return
            async with self._turn(client):
                await self.app(scope, receive, send)
        except TooManyRequests as error:
            await error_response(error)(scope, receive, send)
        finally:
            self._requests -= 1

    @asynccontextmanager
    async def _turn(self, client: str) -> AsyncIterator[None]:
        """A client's turn, once it has come; raises TooManyRequests."""
        try:
            await self.turns.take(client)
        except TooManyRequests:
            self.refused("client")
            raise
        try:
            yield
        finally:
            self.turns.give_back(client)

    async def _refuse(
        self, reason: str, error: RequestError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.refused(reason)
        await error_response(error)(scope, receive, send)


def turn_of(scope: Scope) -> AbstractAsyncContextManager[None]:
    """The turn of a request that has not taken it yet; raises TooManyRequests when entered."""
    turn: AbstractAsyncContextManager[None] = scope.get(TURN, nullcontext)()
    return turn


def client_of(scope: Scope) -> str:
    """Who asks: the key's name and the address; of IPv6 the network, which is one customer's.

    Both, because a key in a web page is shared by all of its visitors.
    """
    address: str = (scope.get("client") or ("local",))[0]
    if ":" in address:
        with suppress(ValueError):  # a proxy's own word for a client is as good as any
            number = IPv6Address(address.partition("%")[0])
            address = str(number.ipv4_mapped or number.exploded[:NETWORK_64])
    return f"{grant_of(scope).name} {address}"
