"""Sends bad requests and holds every answer to the same rules."""

from __future__ import annotations

import http.client
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.benchmarks import hostile
from tests.support.waiting import LIMIT_SECONDS

ORIGIN = "https://elsewhere.example"
ANSWER_SECONDS = 10
MAP_SECONDS = 25
"""A map of many tiles that nobody has seen may take the request's whole deadline (20 s)."""
MAPS = re.compile(r"/(?:map|wms)(?:\?|$)")
# A snippet writes tiles.tif where whoever pastes it is.
SECRETS = re.compile(
    rb"(?:/(?:home|root|tmp|usr|opt|srv|mnt|proc|etc|var)/|[A-Z]:\\\\|deploy/demo"
    rb"|(?<!\})(?<! tiles)\.tif\b|root:x:|Traceback|File \"|\.py\b|site-packages)"
)
LIBRARIES = re.compile(
    rb"rasterio|rio.?tiler|gdal|\bproj\b|pydantic|fastapi|starlette|numpy|numexpr|torch|morecantile",
    re.IGNORECASE,
)
REPORTED = re.compile(r"/wmts?(?:\?|$)")
"""Addresses of protocols whose errors are XML."""
REPORT = re.compile(
    rb"<\?xml .+<(ServiceException|ows:ExceptionText)[^>]*>[^<]{3,400}</.+", re.DOTALL
)
PARSER_ANSWER = b"Invalid HTTP request received."
"""What uvicorn answers to bytes that are no HTTP, before any application sees them."""


@dataclass
class Judge:
    """Sends requests, holds the answers to the rules and counts."""

    url: str
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)

    def ask(self, request: hostile.Request) -> None:
        """Send one request exactly as it is written, and judge the answer."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        connection = http.client.HTTPConnection(host, port, timeout=LIMIT_SECONDS)
        headers = {"Origin": ORIGIN, "Connection": "close", **request.headers}
        began = time.perf_counter()
        try:
            connection.putrequest(
                request.method, request.target, "Host" in headers, "Accept-Encoding" in headers
            )
            if request.body is not None:
                headers["Content-Length"] = str(len(request.body))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            content = answer.read()
        except (BrokenPipeError, ConnectionResetError):
            return  # refused while the body was still on its way
        except (OSError, http.client.HTTPException) as error:
            self.breaches[f"{type(error).__name__}: {request.method} {request.target[:150]}"] += 1
            return
        finally:
            connection.close()
        self.seconds.append(time.perf_counter() - began)
        self.judge(request, answer.status, dict(answer.headers), content)

    def judge(
        self, request: hostile.Request, status: int, headers: Mapping[str, str], content: bytes
    ) -> None:
        self.statuses[status] += 1
        for breach in breaches(request, status, headers, content):
            self.breaches[f"{breach}: {request.method} {request.target[:150]}"] += 1
        limit = MAP_SECONDS if MAPS.search(request.target) else ANSWER_SECONDS
        if self.seconds[-1] > limit:
            took = f"took {self.seconds[-1]:.0f} s"
            self.breaches[f"{took}: {request.method} {request.target[:150]}"] += 1


def breaches(
    request: hostile.Request, status: int, headers: Mapping[str, str], content: bytes
) -> Iterable[str]:
    """Every rule that an answer breaks."""
    lower = {name.lower(): value for name, value in headers.items()}
    kind = lower.get("content-type", "")
    if content == PARSER_ANSWER and status == 400:
        return
    unsupported = status == 501 and REPORTED.search(request.target)  # as WMTS has it
    if status >= 500 and not unsupported and not (status == 503 and "retry-after" in lower):
        yield f"status {status}"
    found = None if kind.startswith("image/") else SECRETS.search(content)
    if found and found[0].decode() not in unquote(request.target):  # else it is an echo
        yield "reveals the machine"
    if status < 400:
        return
    if LIBRARIES.search(content):
        yield "names a library"
    if lower.get("access-control-allow-origin") != "*":
        yield f"{status} without CORS"
    of_starlette = (request.method == "OPTIONS" and status == 400) or status == 416
    if REPORTED.search(request.target) and "xml" in kind:
        if request.method != "HEAD" and not REPORT.fullmatch(content):
            yield f"an error that is no report ({content[:80]!r})"
    elif request.method != "HEAD" and not of_starlette:  # refused preflights, ranges of a file
        if not re.fullmatch(rb'\{"detail":"[^"/]{3,400}"\}', content):
            yield f"an error that is not of the one shape ({content[:80]!r})"
        if kind != "application/json":
            yield f"an error as {kind}"
