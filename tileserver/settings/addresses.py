"""Addresses in settings: of proxies, and the server's own behind one."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

EVERYBODY = "*"
HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
"""A name, or an IPv6 address without its brackets."""


def _normalise_proxy(text: str) -> str:
    """An address or a network, in the form that clients' addresses are compared with."""
    try:
        if text == EVERYBODY:
            return text
        return str(ip_network(text, strict=False) if "/" in text else ip_address(text))
    except ValueError:
        raise ValueError("an address or a network, such as 10.0.0.0/8, no name") from None


def _check_alone(proxies: tuple[str, ...]) -> tuple[str, ...]:
    if EVERYBODY in proxies and len(proxies) > 1:
        raise ValueError("* is everybody: nothing can stand beside it")
    return proxies


def _check_public_url(url: str) -> str:
    """Raises ValueError for an address that documents could not name."""
    if not url.isascii():
        raise ValueError("ASCII only: write a host as xn--..., a path percent-encoded")
    try:
        parts = urlsplit(url)
        valid = parts.port != 0 and HOST.fullmatch(parts.hostname or "")
    except ValueError:  # of the brackets, or of the port
        valid = None
    if not valid or "@" in url:
        raise ValueError("a host and, if need be, a port, as in https://maps.example:8443/sr")
    return url


Proxies = Annotated[
    tuple[Annotated[str, AfterValidator(_normalise_proxy)], ...], AfterValidator(_check_alone)
]
PublicUrl = Annotated[
    str, Field(pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$"), AfterValidator(_check_public_url)
]
