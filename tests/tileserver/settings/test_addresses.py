"""Addresses of proxies, and the public URL."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tileserver.settings.server import Settings


def proxies(*given: str) -> tuple[str, ...]:
    return Settings.model_validate({"access": {"trusted_proxies": given}}).access.trusted_proxies


def test_proxies_are_compared_as_addresses_and_networks() -> None:
    assert proxies("10.0.0.1/8", "::0001", "127.0.0.1") == (
        "10.0.0.0/8",
        "::1",
        "127.0.0.1",
    )
    assert proxies("*") == ("*",)


@pytest.mark.parametrize("given", [["nginx"], ["10.0.0.0/33"], [""], ["*", "127.0.0.1"]])
def test_what_no_client_could_match_is_refused(given: list[str]) -> None:
    with pytest.raises(ValidationError):
        proxies(*given)


@pytest.mark.parametrize(
    "url",
    [
        "https://maps.example",
        "http://10.0.0.1:8443/deep/",
        "https://[::1]:8000/sr",
        "http://tile_server/a%20b",
    ],
)
def test_an_address_that_documents_can_name_is_taken(url: str) -> None:
    assert Settings(public_url=url).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://\u043a\u0430\u0440\u0442\u044b.example/",
        "https://maps.example/\u00e4",
        "https://maps.example:abc/x",
        "https://maps.example:99999",
        "https://u:p@maps.example/x",
        "https://[::1/x",
        "https://:80/x",
        "maps.example",
    ],
)
def test_any_other_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(public_url=url)
