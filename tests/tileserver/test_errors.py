"""The table of status codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tileserver.errors import OutOfRange, RequestError
from tileserver.middleware.error_handlers import error_response


def kinds(base: type[RequestError] = RequestError) -> Iterator[type[RequestError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_refusal_has_a_status(kind: type[RequestError]) -> None:
    error = kind("zoom", "0 to 22") if issubclass(kind, OutOfRange) else kind()
    answer = error_response(error)
    assert 400 <= answer.status_code < 600
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
