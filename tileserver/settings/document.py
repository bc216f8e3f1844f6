"""overzoom.yaml described: its JSON schema, and an annotated example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

import yaml
from pydantic import BaseModel

from tileserver.settings.base import MEBIBYTE
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings

LINE_WIDTH = 96
HEADING = """\
# yaml-language-server: $schema=overzoom.schema.json
# Every setting of Overzoom: overzoom serve --config overzoom.yaml
# All but the sources may be left out; what is shown is the default. Written by
# overzoom check-config --annotated.
#
# Environment variables override this file, and options of the command override both. So a
# container needs no file, and secrets can be kept out of the file:
#   OVERZOOM_PORT=80
#   OVERZOOM_CACHE__REDIS_URL=redis://cache                    "__" goes one level down
#   OVERZOOM_SOURCES='{"scene": {"path": "/data/scene.tif"}}'  lists and mappings are JSON
#   OVERZOOM_CACHE__REDIS_URL_FILE=/run/secrets/redis_url      the value is the file's content
# Paths in them are relative to the working folder. An unknown name is an error.
"""
EXAMPLE = {"path": "demo/yellowstone_20cm.tif"}
"""The one source of the annotated example; relative to it."""


def schema() -> str:
    """The JSON schema of overzoom.yaml, for editors."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(document | Settings.model_json_schema(), indent=2) + "\n"


def annotate() -> str:
    """An overzoom.yaml with every setting at its default, and what it means."""
    source = SourceSettings.model_validate(EXAMPLE)
    lines = [HEADING]
    for line in _annotated(Settings(), ""):
        lines.append(line)
        if line == "sources: {}":
            lines[-1] = "sources:"
            lines += ["  scene:", *_annotated(source, "    ")]
    return "\n".join(lines) + "\n"


def _annotated(settings: BaseModel, indent: str) -> Iterator[str]:
    values = settings.model_dump(mode="json")
    bounds = type(settings).model_json_schema()["properties"]
    for name, field in type(settings).model_fields.items():
        about = f"{field.description or ''}{_bounds(bounds[name])}".strip()
        inner = getattr(settings, name)
        if isinstance(inner, BaseModel):
            about = about or (type(inner).__doc__ or "").strip()
        yield from (f"{indent}# {line}" for line in wrap(about, LINE_WIDTH - len(indent)))
        if isinstance(inner, BaseModel):
            yield f"{indent}{name}:"
            yield from _annotated(inner, f"{indent}  ")
        else:
            yield f"{indent}{_item(name, values[name])}"


def _item(name: str, value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n")
    line = f"{name}: {text.strip()}"
    if name.endswith("_bytes") and isinstance(value, int) and value >= MEBIBYTE:
        line += f"  # {value / MEBIBYTE:g} MiB"
    return line


def _bounds(member: dict[str, Any]) -> str:
    if "enum" in member:
        return f" One of: {', '.join(map(str, member['enum']))}."
    low, high = member.get("minimum"), member.get("maximum")
    if low is None or high is None:
        return f" At least {low}." if low is not None and low > 0 else ""
    return f" {low} to {high}."
