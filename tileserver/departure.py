"""Work for a client that may leave: seen at once, and bounded by the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from tileserver.errors import Departed, Overloaded

Value = TypeVar("Value")


async def while_there(
    request: Request, work: Coroutine[Any, Any, Value], deadline_seconds: float
) -> Value:
    """work's value; cancelled where the client leaves (Departed) or waits too long (Overloaded)."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_departure(request))
    try:
        done, _ = await asyncio.wait(
            (working, leaving), timeout=deadline_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if working in done:
            return working.result()
        if leaving in done:
            leaving.result()  # a body too large
            raise Departed
        raise Overloaded
    finally:
        if not leaving.cancel() and not leaving.cancelled():
            leaving.exception()  # looked at: the work was done all the same
        if not working.done():
            working.cancel()


async def _departure(request: Request) -> None:
    """Returns when the connection is closed; a body, if any, is read and dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
