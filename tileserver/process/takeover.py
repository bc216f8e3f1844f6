"""Connections that another worker leaves waiting: it was killed, or it is busy for long.

The kernel spreads connections evenly over the workers' sockets. Every worker also watches those of
the others, so that no connection depends on the one worker that it was given to.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import AbstractEventLoop, Protocol, Task, TimerHandle
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 0.1
"""How long a connection is left to its own worker, which accepts it within milliseconds."""
ACCEPTED_AT_ONCE = 16


class Takeover:
    """For one event loop; accepts what waits for long on sockets of others."""

    def __init__(self, sockets: list[socket.socket], make_protocol: Callable[[], Protocol]) -> None:
        """sockets: closed by close; make_protocol: what answers a connection."""
        self.sockets, self._make_protocol = sockets, make_protocol
        self._timers: dict[socket.socket, TimerHandle] = {}
        self._accepting: set[Task[Any]] = set()
        self._loop: AbstractEventLoop | None = None

    def start(self) -> None:
        """Watch the sockets, from the event loop."""
        self._loop = asyncio.get_running_loop()
        for listening in self.sockets:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._wait, self._loop, listening)

    def close(self) -> None:
        """Stop watching and close the sockets of this process."""
        for listening in self.sockets:
            if listening in self._timers:
                self._timers.pop(listening).cancel()
            elif self._loop is not None:
                self._loop.remove_reader(listening)
            listening.close()
        self.sockets = []

    def _wait(self, loop: AbstractEventLoop, listening: socket.socket) -> None:
        """A connection waits: leave it to its own worker for a while."""
        loop.remove_reader(listening)
        self._timers[listening] = loop.call_later(PATIENCE_SECONDS, self._take, loop, listening)

    def _take(self, loop: AbstractEventLoop, listening: socket.socket) -> None:
        """Accept what still waits."""
        del self._timers[listening]
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _address = listening.accept()
            except OSError:  # nothing waits any more
                break
            client.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(self._make_protocol, client))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)
        loop.add_reader(listening, self._wait, loop, listening)
