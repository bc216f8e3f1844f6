"""Connections that a worker leaves waiting are answered by another."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.errors import StartupError
from tileserver.process import listening
from tileserver.process.listening import close_all, listen, own_sockets
from tileserver.process.takeover import Takeover


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Those of two workers on one port."""
    opened = listen("127.0.0.1", 0, 2)
    yield opened
    close_all(opened)


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
    finally:
        writer.close()
        await writer.wait_closed()


def test_connections_to_a_worker_that_is_gone_are_answered(sockets: list[socket.socket]) -> None:
    """The one worker accepts nothing: the other answers for it, however many connections wait."""
    port = sockets[0].getsockname()[1]

    async def scenario() -> list[bytes]:
        loop = asyncio.get_running_loop()
        (own,), (others,) = own_sockets(sockets, 1, 2), own_sockets(sockets, 2, 2)
        server = await loop.create_server(Greeter, sock=own)
        takeover = Takeover([others], Greeter)
        takeover.start()
        answers = await asyncio.gather(*(ask(port) for _ in range(40)))
        takeover.close()
        server.close()
        await server.wait_closed()
        return answers

    assert asyncio.run(scenario()) == [b"hello"] * 40


def test_connections_are_spread_over_workers(sockets: list[socket.socket]) -> None:
    port = sockets[0].getsockname()[1]
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
    accepted = Counter[socket.socket]()

    def accept() -> bool:
        for one in sockets:
            with suppress(BlockingIOError):
                while True:
                    one.accept()[0].close()
                    accepted[one] += 1
        return accepted.total() == len(clients)

    wait_until(accept)
    for client in clients:
        client.close()
    assert min(accepted[one] for one in sockets) > 8, (
        "a fair coin gives as few once in 10 million times"
    )


def test_two_servers_do_not_share_a_port_unasked(sockets: list[socket.socket]) -> None:
    port = sockets[0].getsockname()[1]
    for workers in (1, 2):
        with pytest.raises(StartupError, match="is in use"):
            listen("127.0.0.1", port, workers)


def test_every_address_has_a_socket_for_each_worker() -> None:
    opened = listen("localhost", 0, 3)
    try:
        own = [own_sockets(opened, number, 3) for number in (1, 2, 3)]
        assert sorted(s.fileno() for part in own for s in part) == [s.fileno() for s in opened]
        families = [[one.family for one in part] for part in own]
        assert families[0] == families[1] == families[2]
        assert len({one.getsockname()[1] for one in opened}) == 1
    finally:
        close_all(opened)


def test_elsewhere_than_on_linux_workers_share_their_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "SPREADS", False)
    opened = listen("127.0.0.1", 0, 2)
    assert len(opened) == 1
    assert own_sockets(opened, 2, 2) == opened
    close_all(opened)


def test_addresses_that_the_machine_does_not_have_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, other = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in ("127.0.0.1", "192.0.2.1")  # the second is for documentation
    ]
    for found in ([other, own], [own, other]):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
        opened = listen("localhost", 0)
        assert [one.getsockname()[0] for one in opened] == ["127.0.0.1"]
        close_all(opened)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [other])
    with pytest.raises(StartupError, match="cannot listen there"):
        listen("localhost", 0)
