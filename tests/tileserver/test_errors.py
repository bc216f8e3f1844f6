"""The table of status codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tileserver.errors import RequestError, error_response


def kinds(base: type[RequestError] = RequestError) -> Iterator[type[RequestError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_refusal_has_a_status(kind: type[RequestError]) -> None:
    answer = error_response(kind())
    assert 400 <= answer.status_code < 600
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
