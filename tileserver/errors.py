"""The server's errors, and the one table that turns errors into status codes.

OverzoomError
├── StartupError          the server cannot start: bad source, checkpoint or configuration
│   └── InvalidSettings   each wrong setting is a reason of its own
├── CommandError          a command cannot do what was requested
└── RequestError          answered with a fixed text that reveals nothing of the machine
    ├── UnknownSource     404
    ├── OutsideSource     404
    │   └── OutsideMap    404
    ├── OutsideGrid       404
    ├── NoUncertainty     404
    ├── OutOfRange        422
    │   └── OutsideZooms  404
    ├── UnsupportedGrid   400
    │   └── UnknownGrid   404
    ├── KeyNeeded         401: no API key, or an unknown one
    ├── BodyTooSlow       408
    ├── BodyTooLarge      413
    ├── UrlTooLong        414
    ├── TooManyRequests   429, with Retry-After: this client exceeds its limit
    ├── Overloaded        503, with Retry-After
    ├── SourceUnavailable 503, with Retry-After
    │   └── SourceChanged
    └── Disconnected      499: the client has closed the connection, nobody reads the answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class OverzoomError(Exception):
    """Base of every error that the server raises on purpose."""


class StartupError(OverzoomError):
    """The server does not start; the message says in one line what is wrong and where."""


class InvalidSettings(StartupError):
    """Settings that cannot be; the message is all reasons in one line."""

    def __init__(self, reasons: Sequence[str]) -> None:
        """reasons: where, which setting and why, a line each."""
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class CommandError(OverzoomError):
    """A command has nothing to do or cannot do it; the message says why in one line."""


class RequestError(OverzoomError):
    """A request that cannot be fulfilled; its text reveals nothing of the machine."""

    text = "bad request"
    retry_after_seconds: int | None = None
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__(self.text)


class UnknownSource(RequestError):
    text = "no such source"


class OutsideSource(RequestError):
    text = "tile lies outside the source"


class OutsideMap(OutsideSource):
    text = "map shows nothing of the source"


class OutsideGrid(RequestError):
    text = "source lies outside the tile matrix set"


class NoUncertainty(RequestError):
    text = "there is no uncertainty: nothing of this source is synthesised"


class OutOfRange(RequestError):
    """An invalid parameter; the answer names it and says what is allowed."""

    text = "parameter out of range"

    def __init__(self, parameter: str, allowed: str) -> None:
        """allowed: the valid values, as a phrase that follows the parameter's name and a colon."""
        Exception.__init__(self, f"{parameter}: {allowed}")
        self.parameter, self.allowed = parameter, allowed


class OutsideZooms(OutOfRange):
    """A tile of a zoom, row or column that is never there, as OGC API Tiles has it."""


class UnsupportedGrid(RequestError):
    text = "tile matrix set does not double from zoom to zoom"


class UnknownGrid(UnsupportedGrid):
    text = "no such tile matrix set"


class KeyNeeded(RequestError):
    text = "an API key is needed"
    headers = {"WWW-Authenticate": "Bearer"}


class BodyTooSlow(RequestError):
    text = "request body took too long to arrive"


class BodyTooLarge(RequestError):
    text = "request body too large"


class UrlTooLong(RequestError):
    text = "URL too long"


class TooManyRequests(RequestError):
    text = "too many requests at a time"
    retry_after_seconds = 1


class SourceUnavailable(RequestError):
    text = "the source cannot be read at present, try again"
    retry_after_seconds = 10


class Overloaded(RequestError):
    text = "busy, try again"
    retry_after_seconds = 2


class SourceChanged(SourceUnavailable):
    """Its file changed while a tile was drawn, so the tile belongs to neither version."""


class Disconnected(RequestError):
    text = "the client disconnected"


STATUS_CODES: dict[type[Exception], int] = {
    UnknownSource: 404,
    OutsideSource: 404,
    OutsideMap: 404,
    OutsideGrid: 404,
    NoUncertainty: 404,
    OutOfRange: 422,
    OutsideZooms: 404,
    UnsupportedGrid: 400,
    UnknownGrid: 404,
    KeyNeeded: 401,
    BodyTooSlow: 408,
    BodyTooLarge: 413,
    UrlTooLong: 414,
    TooManyRequests: 429,
    Overloaded: 503,
    SourceUnavailable: 503,
    SourceChanged: 503,
    Disconnected: 499,
}
