"""API keys as a configuration holds them."""

from __future__ import annotations

import hashlib


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
