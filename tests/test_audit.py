"""The dependency audit tells apart what is known from what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import audit


@pytest.mark.parametrize(
    ("python", "npm", "status"),
    [
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": []}]},
            {"vulnerabilities": {}},
            0,
        ),
        ({"dependencies": [{"name": "a", "skip_reason": "?"}]}, {"vulnerabilities": {}}, 2),
        ({}, {"vulnerabilities": {}}, 2),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, {"message": "405"}, 2),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]}, {}, 1),
        ({}, {"vulnerabilities": {"ol": {"severity": "high"}}}, 1),
    ],
)
def test_a_vulnerability_outweighs_silence_and_silence_is_no_absolution(
    monkeypatch: pytest.MonkeyPatch, python: dict[str, Any], npm: dict[str, Any], status: int
) -> None:
    def answer(command: list[str], _folder: Path) -> dict[str, Any]:
        return npm if command[0] == "npm" else python

    monkeypatch.setattr(audit, "answer", answer)
    assert audit.main() == status
