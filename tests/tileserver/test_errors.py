"""The table of statuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tileserver.errors import RequestError, error_response


def refusals(kind: type[RequestError] = RequestError) -> Iterator[type[RequestError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from refusals(inner)


@pytest.mark.parametrize("kind", list(refusals()))
def test_every_refusal_has_a_status(kind: type[RequestError]) -> None:
    answer = error_response(kind())
    assert 400 <= answer.status_code < 600
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
