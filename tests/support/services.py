"""Services that a server of tiles leans on: Redis as a process, S3's protocol by moto."""

from __future__ import annotations

import random
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import boto3
import redis
from moto.server import ThreadedMotoServer

from tests.support.waiting import wait_until

BUCKET = "tiles"


class RedisServer:
    """A redis-server of the test's own, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(port=self.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        command = ["redis-server", "--port", str(self.port), "--save", ""]
        command += ["--dir", str(self.folder)]
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "redis-server did not start")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.client.close()


PORTS = range(15_000, 32_000)
"""Below those that the system gives to whoever connects or asks for any: one of these that is
free now is still free when the server binds to it, but that another process chose the same."""
_chosen = set[int]()


def free_port() -> int:
    """A port that nobody listens on, chosen by chance; never one twice."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        if port in _chosen:
            continue
        with socket.socket() as listener, suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            listener.bind(("127.0.0.1", port))
            _chosen.add(port)
            return port


class S3:
    """A server of S3's protocol, and options to reach it by."""

    def __init__(self) -> None:
        self.port = free_port()
        self.server: ThreadedMotoServer | None = None
        self.options = {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": "us-east-1",
            "access_key_id": "testing",
            "secret_access_key": "verysecret",
        }

    def start(self) -> None:
        self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()
        client = boto3.client(
            "s3",
            endpoint_url=self.options["endpoint"],
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="verysecret",
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    def url(self) -> str:
        """A place of its own in the bucket."""
        return f"s3://{BUCKET}/{uuid4().hex}/overzoom"
