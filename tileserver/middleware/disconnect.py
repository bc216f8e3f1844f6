"""Work for a client that may disconnect: cancelled then, and bounded by what is left of its time.

A request has one time budget, from its arrival through slots, retries and fallbacks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Scope

from tileserver.errors import Disconnected, Overloaded, RequestError

ARRIVAL = "overzoom.arrival"
"""The key in a request's scope of its time of arrival (time.monotonic)."""

Value = TypeVar("Value")


def note_arrival(scope: Scope) -> None:
    """Record the arrival of a request: its time budget starts now."""
    scope[ARRIVAL] = time.monotonic()


def left_seconds(request: Request, deadline_seconds: float) -> float:
    """What is left of a request's time budget; not negative."""
    arrival: float = request.scope.setdefault(ARRIVAL, time.monotonic())
    return max(0.0, arrival + deadline_seconds - time.monotonic())


async def run_until_disconnect(
    request: Request,
    work: Coroutine[Any, Any, Value],
    deadline_seconds: float,
    late: type[RequestError] = Overloaded,
) -> Value:
    """work's value; cancelled where the client disconnects (Disconnected) or its time is up (late).

    deadline_seconds: from the request's arrival.
    """
    working = asyncio.ensure_future(work)
    disconnecting = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        done, _ = await asyncio.wait(
            (working, disconnecting),
            timeout=left_seconds(request, deadline_seconds),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if working in done:
            return working.result()
        if disconnecting in done:
            disconnecting.result()  # a body too large
            raise Disconnected
        raise late from TimeoutError(f"not done within {deadline_seconds:g} s of its arrival")
    finally:
        if not disconnecting.cancel() and not disconnecting.cancelled():
            disconnecting.exception()  # retrieved, so that asyncio does not log it
        if not working.done():
            working.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    """Returns when the connection is closed; a body, if any, is read and dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
