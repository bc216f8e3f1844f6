"""Logging to standard error, as text or JSON, with the correlation id of the request.

What clients send may be part of a message: it forges no line and controls no terminal.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from urllib.parse import quote

from pythonjsonlogger.json import JsonFormatter

from tileserver.settings.operation import LogSettings

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")
"""The correlation id of the request that this task answers."""
TEXT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
QUIET = ("rasterio", "uvicorn", "httpx", "botocore")
"""Libraries that log every step; their failures are also raised."""
LONGEST_PATH = 256


def configure_logging(settings: LogSettings) -> None:
    """Install one handler for the whole process."""
    handler = logging.StreamHandler()
    handler.addFilter(with_request_id)
    handler.setFormatter(formatter(settings))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(settings: LogSettings) -> logging.Formatter:
    """The formatter of log records, by the configured format."""
    if settings.format == "text":
        return _LineFormatter(TEXT)
    return JsonFormatter(
        "%(levelname)s %(name)s %(request_id)s %(message)s",
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger"},
    )


def with_request_id(record: logging.LogRecord) -> bool:
    """A logging filter that adds the correlation id to every record."""
    record.request_id = REQUEST_ID.get()
    return True


def quote_path(path: str) -> str:
    """A client's path as log lines hold it: cut, and without line breaks."""
    return quote(path[:LONGEST_PATH], safe="/:,@ ")


class _LineFormatter(logging.Formatter):
    """Formats messages as one line each, as JSON does; the lines of a traceback stay lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        line = super().formatMessage(record)
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
