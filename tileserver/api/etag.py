"""Whether a client already has what it asks for."""

from __future__ import annotations


def matches_etag(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the tag; weak comparison, as RFC 9110 asks."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags
