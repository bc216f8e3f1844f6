"""Remote rasters: allowed hosts, how GDAL reads them, and how their changes are detected."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from cache.key import fingerprint
from tileserver.errors import StartupError
from tileserver.origins.members import Signature
from tileserver.origins.origin import Address, Origin

TIMEOUT_SECONDS = 10
CONNECT_SECONDS = 5
HEAD_TIMEOUT = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of what lies beside
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_TIMEOUT": str(TIMEOUT_SECONDS),
    "GDAL_HTTP_CONNECTTIMEOUT": str(CONNECT_SECONDS),
    "GDAL_HTTP_LOW_SPEED_TIME": str(CONNECT_SECONDS),
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",  # bytes a second
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",  # a COG's header in one request
}


SIGNING = re.compile(
    r"x-(amz|goog|oss)-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|s[eiprtv]|sig|skoid|sktid|skt|ske|sks|skv|(access_?)?token|api_?key|verify",
    re.IGNORECASE,
)
"""Parameters of signed addresses: S3, Google, Azure (sv, se, sig, ...), CloudFront, and tokens."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object at an http(s) or s3 address."""

    url: str
    seen: list[Signature] = field(default_factory=list, compare=False, repr=False)
    """The last signature, once there is one."""
    remote = True

    def signature(self) -> Signature:
        """ETag, modification time and size from the server; raises OSError."""
        parts = urlsplit(self.url)
        found = _s3_signature(parts) if parts.scheme == "s3" else _http_signature(self.url)
        self.seen[:] = [found]
        return found

    def last_signature(self) -> Signature:
        return self.seen[0] if self.seen else self.signature()

    def settled(self) -> bool:
        return True

    def digest(self) -> str:
        """Digest of the address without its signature, and of the content's ETag, time and size."""
        return fingerprint(url=_unsigned(self.url), look=self.last_signature())


def remote_origin(url: str, hosts: Set[str]) -> Origin:
    """A raster at an http(s) or s3 address; raises StartupError unless its host is allowed."""
    check_host(url, hosts)
    parts = urlsplit(url)
    name = f"{parts.scheme}://{parts.hostname}{parts.path}"  # a query may hold a signature
    place = f"/vsis3/{parts.netloc}{parts.path}" if parts.scheme == "s3" else f"/vsicurl/{url}"
    return Origin(Address(name, place, options=gdal_options(place)), (RemoteFile(url),))


def check_host(url: str, hosts: Set[str]) -> None:
    """Raises StartupError unless the address's host, host:port or bucket is one of hosts."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise StartupError(f"{parts.hostname}: an address holds no user name; set GDAL's variables")
    if not {parts.hostname, parts.netloc} & set(hosts):
        raise StartupError(f"{parts.netloc}: not in remote_hosts; add it there to read from it")


def gdal_options(*places: str) -> tuple[tuple[str, str], ...]:
    """GDAL's configuration for reading places (/vsi...): impatient, and of no version but one.

    What GDAL remembers of a place is dropped with its last handle, so that the next version is
    not read through the last one's blocks.
    """
    forgotten = [("CPL_VSIL_CURL_NON_CACHED", ":".join(places))] if places else []
    return (*_GDAL.items(), *forgotten)


@cache
def _http_client() -> httpx.Client:
    """One for all threads: its certificates take longer to load than most answers to come.

    It keeps no connection: a server that is gone is noticed, and one that is back found.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=HEAD_TIMEOUT, limits=limits, follow_redirects=False)


def _http_signature(url: str) -> Signature:
    try:
        client = _http_client()
        answer = client.head(url)
        if answer.status_code in (403, 405, 501):  # addresses signed for GET alone
            # Its head is enough: a server that knows no ranges would send the whole raster.
            with client.stream("GET", url, headers={"Range": "bytes=0-0"}) as answer:
                pass
    except httpx.HTTPError as error:
        raise OSError(f"no answer ({type(error).__name__})") from error
    if answer.is_redirect:
        raise OSError("redirects elsewhere; name the address it redirects to")
    if not answer.is_success:
        raise OSError(f"answers {answer.status_code}")
    head = answer.headers
    size = head.get("content-range", "").rpartition("/")[2] or head.get("content-length")
    return head.get("etag"), head.get("last-modified"), size


def _unsigned(url: str) -> str:
    """An address without the parts of its query that change with every signature."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if not SIGNING.fullmatch(name)]
    return urlunsplit(parts._replace(query=urlencode(kept), fragment=""))


def _s3_signature(parts: SplitResult) -> Signature:
    try:
        store = S3Store(
            parts.netloc,
            client_options={
                "timeout": f"{TIMEOUT_SECONDS}s",
                "connect_timeout": f"{CONNECT_SECONDS}s",
                "allow_http": True,  # of an endpoint that the environment names
            },
            retry_config={"max_retries": 2},
        )
        state = obstore.head(store, parts.path.lstrip("/"))
    except FileNotFoundError as error:
        raise OSError("is not there") from error
    except BaseError as error:
        raise OSError(f"HEAD request failed ({type(error).__name__})") from error
    return state["e_tag"], state["last_modified"].isoformat(), state["size"]
