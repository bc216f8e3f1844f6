"""Settings of operation: who may ask, how much at a time, what is logged, how a server ends."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tileserver.settings.addresses import Proxies
from tileserver.settings.base import Frozen, Seconds, Share


class KeySettings(Frozen):
    """One API key: `overzoom hash-key` makes them."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the key, hexadecimal: the key itself is written nowhere."
    )
    sources: tuple[str, ...] = Field(("*",), description="Ids that it opens; * is all of them.")


class AccessSettings(Frozen):
    """Who may ask for what, and for how much at a time."""

    keys: dict[str, KeySettings] = Field(
        default_factory=dict,
        description="API keys by name, as {name: {sha256: ..., sources: [...]}}: `overzoom "
        "hash-key` makes them. With none, every source is open to everybody.",
    )
    public: tuple[str, ...] = Field(
        (), description="Ids of sources that stay open where keys are configured."
    )
    figures_public: bool = Field(
        False, description="Where keys are configured, /metrics and /status.json need none."
    )
    client_requests: Share = Field(
        32, description="Requests of one client (key and address) that are worked on at a time."
    )
    client_waiting: Share = Field(
        128,
        description="Requests of one client that wait for their turn, the newest first; beyond, "
        "the oldest is answered 429: a tilted view asks for 50 to 100 tiles at once.",
    )
    wait_seconds: Seconds = Field(10, description="Longest wait for a turn, then 429, in seconds.")
    requests: Share = Field(
        2048, description="Requests of all clients, worked on or waiting; more are answered 503."
    )
    trusted_proxies: Proxies = Field(
        (),
        description="Addresses or networks (10.0.0.0/8) whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed; nobody else's are. * alone: everybody's.",
    )


class LogSettings(Frozen):
    """What is written to standard error."""

    format: Literal["text", "json"] = Field("text", description="Lines for people, or JSON.")
    requests: Literal["all", "made", "none"] = Field(
        "made",
        description="A line for every request; for all but tiles that were in a cache, whose "
        "lines would cost a third of serving them; or for none.",
    )
    client: Literal["address", "hashed"] = Field(
        "address",
        description="Clients by address, or by a hash of it that changes with every start.",
    )


class OperationSettings(Frozen):
    """How a server is watched, and how it ends."""

    hang_seconds: Annotated[float, Field(gt=0)] = Field(
        120, description="A denoiser that takes longer counts as hung: /readyz answers 503."
    )
    drain_seconds: Seconds = Field(
        0,
        description="After SIGTERM, seconds to keep serving with /readyz at 503, so that load "
        "balancers stop routing to the server first.",
    )
    shutdown_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        20, description="Then seconds to finish running requests, at most, before the exit."
    )
