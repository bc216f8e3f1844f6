"""The sockets that a server listens on, opened before anything slow or visible happens."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress

from tileserver.errors import StartupError

BACKLOG = 2048
"""Connections that may wait to be accepted; uvicorn's own number."""
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
SPREADS = sys.platform.startswith("linux")
"""Whether the kernel spreads connections over several sockets on one address."""


def listen(host: str, port: int, workers: int = 1) -> list[socket.socket]:
    """Listening sockets on every address of a host; port 0: any free port, the same on all.

    workers: sockets an address, over which the kernel spreads connections (own_sockets tells
    whose); elsewhere than on Linux one, which all share. Addresses that this machine does not have,
    as IPv6's where it is off, are left out if there are others. Raises StartupError in one line,
    for instance where another program listens there already.
    """
    copies = workers if SPREADS else 1
    sockets: list[socket.socket] = []
    try:
        kind = socket.SOCK_STREAM
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
        absent = None
        for family, _, _, _, address in dict.fromkeys(found):
            number = port if port or not sockets else sockets[0].getsockname()[1]
            try:
                one = _listening(socket.AddressFamily(family), (address[0], number))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent = error
                continue
            if copies == 1:
                sockets.append(one)
                continue
            number = one.getsockname()[1]
            one.close()  # it made sure that no other server is there, with which they would share
            for _ in range(copies):
                place = (address[0], number)
                sockets.append(_listening(socket.AddressFamily(family), place, spreads=True))
        if absent is not None and not sockets:
            raise absent
    except OSError as error:
        close_all(sockets)
        raise StartupError(_explained(error, host, port)) from error
    return sockets


def own_sockets(sockets: list[socket.socket], number: int, workers: int) -> list[socket.socket]:
    """Those of worker `number`, from 1, of the sockets that listen returned for several."""
    return sockets[number - 1 :: workers] if SPREADS else sockets


def close_all(sockets: list[socket.socket]) -> None:
    """Stop listening."""
    for one in sockets:
        with suppress(OSError):
            one.close()


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """The URL that a browser on this machine opens, without a slash at the end."""
    port = sockets[0].getsockname()[1]
    if host in ("", "0.0.0.0", "::"):
        host = "localhost"  # all addresses: no browser opens them by these names
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listening(
    family: socket.AddressFamily, address: tuple[object, int], *, spreads: bool = False
) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # a port whose last connections linger is free
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if spreads:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # IPv4 has a socket of its own
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _explained(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{host}:{port} is in use: another program listens there; stop it, or choose another "
            "port (--port 0: any free one)"
        )
    if error.errno == errno.EACCES:
        return f"{host}:{port}: ports below 1024 need privileges; choose another with --port"
    return f"{host}:{port}: cannot listen there ({error.strerror or error})"
