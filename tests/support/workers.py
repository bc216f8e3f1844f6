"""A supervisor of plain workers: `python -m tests.support.workers COUNT FOLDER`.

A worker appends a line to FOLDER/log when it starts (the number of its process, and whether it is
the first), and answers every connection with that number. FOLDER/fails: it ends with status 3.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from tileserver.process.listening import listen
from tileserver.process.reports import Report
from tileserver.process.supervisor import Supervisor
from tileserver.totals import Snapshot


def work(
    folder: Path, sockets: list[socket.socket], number: int, connection: Connection, first: bool
) -> None:
    with (folder / "log").open("a") as log:
        log.write(f"{os.getpid()} {first}\n")
    if (folder / "fails").exists():
        sys.exit(3)
    connection.send(Report(Snapshot(), None))
    connection.recv()
    Thread(target=answer, args=(sockets[0],), daemon=True).start()
    connection.poll(None)  # until the supervisor ends


def answer(listening: socket.socket) -> None:
    listening.setblocking(True)
    while True:
        client, _ = listening.accept()
        client.sendall(str(os.getpid()).encode())
        client.close()


def main() -> None:
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    sockets = listen("127.0.0.1", 0)
    (folder / "port").write_text(str(sockets[0].getsockname()[1]))
    sys.exit(Supervisor(count, partial(work, folder, sockets), sockets).run())


if __name__ == "__main__":
    main()
