"""Parameters that a route reads itself, whatever the case of their names, for openapi.json."""

from __future__ import annotations

from typing import Any


def document_parameters(**descriptions: str) -> dict[str, Any]:
    """FastAPI's openapi_extra of a route that takes these query parameters."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": description,
                "schema": {"type": "string", "maxLength": 200},
            }
            for name, description in descriptions.items()
        ]
    }
