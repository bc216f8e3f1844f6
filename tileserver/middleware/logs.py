"""Log lines on standard error, for people or as JSON, each with the request that it belongs to."""

from __future__ import annotations

import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from tileserver.settings.operation import LogSettings

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that this task answers."""
TEXT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
QUIET = ("rasterio", "uvicorn", "httpx", "botocore")
"""Libraries that tell of every step; what goes wrong in them also comes as an exception."""


def configure_logging(settings: LogSettings) -> None:
    """One handler for the whole process."""
    handler = logging.StreamHandler()
    handler.addFilter(with_request_id)
    handler.setFormatter(formatter(settings))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(settings: LogSettings) -> logging.Formatter:
    """What makes a line of a record."""
    if settings.format == "text":
        return logging.Formatter(TEXT)
    return JsonFormatter(
        "%(levelname)s %(name)s %(request_id)s %(message)s",
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger"},
    )


def with_request_id(record: logging.LogRecord) -> bool:
    """A filter that lets everything through, and notes the request's id."""
    record.request_id = REQUEST_ID.get()
    return True
