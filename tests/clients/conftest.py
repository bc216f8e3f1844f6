"""Real clients against a real server."""

from tests.tileserver.conftest import config, middle_tile, server

__all__ = ["config", "middle_tile", "server"]
