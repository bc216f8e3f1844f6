"""A remote store on loopback, in a process of its own: HTTP with ranges, slow or failing at will.

A process, because GDAL waits for some answers with the interpreter's lock held.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS, LOG = "faults.json", "asked.log"


@dataclass
class FileServer:
    """Serves a folder's files, with ETags and byte ranges."""

    folder: Path
    control: Path
    host: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def asked(self) -> list[tuple[str, str, str | None]]:
        """Method, path and range of every request so far."""
        lines = (self.control / LOG).read_text().splitlines()
        return [tuple(json.loads(line)) for line in lines]

    def fault(
        self,
        delay_seconds: float = 0,
        status: int | None = None,
        location: str | None = None,
        only: str = "",
    ) -> None:
        """From now on wait before answers, answer with a status, or redirect; () heals all.

        only: the paths that contain this.
        """
        faults = {"delay_seconds": delay_seconds, "status": status, "location": location}
        partial = self.control / "faults.partial"
        partial.write_text(json.dumps({**faults, "only": only}))
        partial.replace(self.control / FAULTS)


@contextmanager
def file_server(folder: Path, control: Path) -> Iterator[FileServer]:
    """A server of a folder on a port of its own; control is a folder for its own files."""
    control.mkdir(exist_ok=True)
    (control / LOG).touch()
    command = [sys.executable, __file__, str(folder), str(control)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = FileServer(folder, control, f"127.0.0.1:{int(process.stdout.readline())}", process)
        server.fault()
        try:
            yield server
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    control: Path

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        with (self.control / LOG).open("a") as log:
            log.write(json.dumps([self.command, self.path, self.headers.get("Range")]) + "\n")
        faults = json.loads((self.control / FAULTS).read_text())
        if faults["only"] not in self.path:
            faults = {"delay_seconds": 0, "status": None, "location": None}
        time.sleep(faults["delay_seconds"])
        path = self.folder / self.path.lstrip("/")
        if faults["location"] is not None:
            self._send(302, b"", {"Location": faults["location"] + self.path}, body=body)
        elif faults["status"] is not None:
            self._send(faults["status"], b"", {}, body=body)
        elif not path.is_file():
            self._send(404, b"", {}, body=body)
        else:
            self._send_file(path.read_bytes(), body=body)

    def _send_file(self, content: bytes, *, body: bool) -> None:
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self._send(200, content, headers, body=body)
            return
        start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self._send(206, content[start : end + 1], headers, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client waited no longer

    def log_message(self, *_: object) -> None:
        pass


def _main() -> None:
    _Handler.folder, _Handler.control = Path(sys.argv[1]), Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _main()
