"""Connections kept alive to one server: a sender of requests that takes little of the cores."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit


class Connections:
    """Opens a connection wherever none is free. To be closed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, viewer: str) -> int:
        """The status of an answer that was read to its end; viewer: an address, as of a proxy."""
        reader, writer = (
            self._free.pop()
            if self._free
            else await asyncio.open_connection(self._host, self._port, limit=2**20)
        )
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nX-Forwarded-For: {viewer}\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        values = dict(line.partition(": ")[::2] for line in head[1:])
        await reader.readexactly(int(values["content-length"]))
        if values.get("connection") == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head[0].split()[1])

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()
