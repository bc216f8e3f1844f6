"""overzoom.yaml described and checked: its JSON schema, an annotated example, its problems."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tileserver.app import open_catalogue
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.description import describe
from tileserver.catalogue.layers import Source
from tileserver.errors import OverzoomError, StartupError
from tileserver.rasters.ground import metres
from tileserver.settings.server import MEBIBYTE, Settings, SourceSettings, read_settings

LINE_WIDTH = 96
HEADING = """\
# yaml-language-server: $schema=overzoom.schema.json
# Every setting of Overzoom: overzoom serve --config overzoom.yaml
# All but the sources may be left out; what is shown is the default. Written by
# overzoom check-config --annotated."""
EXAMPLE = {"path": "demo/yellowstone_20cm.tif"}
"""The one source of the annotated example; relative to it."""


def schema() -> str:
    """The JSON schema of overzoom.yaml, for editors."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(document | Settings.model_json_schema(), indent=2) + "\n"


def annotated() -> str:
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


def check(config: Path, *, sources: bool = True) -> Iterator[tuple[bool, str]]:
    """Whether a configuration can be served: (fine, one line) for all that is found.

    sources: whether they are opened.
    """
    try:
        settings = read_settings(config, {})
    except StartupError as error:
        cause = error.__cause__
        reasons = cause.errors() if isinstance(cause, ValidationError) else []
        for reason in reasons:
            yield False, f"{config}: {'.'.join(map(str, reason['loc']))}: {reason['msg']}"
        if not reasons:
            yield False, str(error)
        return
    for problem in (*_unknown_ids(settings), *_cache_problems(settings)):
        yield False, f"{config}: {problem}"
    if sources:
        yield from _check_sources(settings)


def _unknown_ids(settings: Settings) -> Iterator[str]:
    """Ids that stand for no source: each of them a door that was meant to open, or to be shut."""
    access = settings.access
    named: dict[str, tuple[str | None, ...]] = {"access.public": access.public}
    for id, source in settings.sources.items():
        named[f"sources.{id}.reference"] = (source.reference,)
    for name, key in access.keys.items():
        named[f"access.keys.{name}.sources"] = key.sources
    for place, ids in named.items():
        for named_id in ids:
            if named_id not in (None, "*", *settings.sources):
                yield f"{place}: there is no source {named_id!r}"
    if not settings.sources:
        yield "sources: nothing to serve"


def _cache_problems(settings: Settings) -> Iterator[str]:
    if settings.cache.disk_bytes == 0:
        return
    folder = settings.cache.disk_folder().absolute()
    if not _can_be_made(folder):
        yield f"cache.folder: {folder} cannot be written to"


def _can_be_made(folder: Path) -> bool:
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except OSError:  # a folder on the way that may not be entered, a name that is too long
        return False


def _check_sources(settings: Settings) -> Iterator[tuple[bool, str]]:
    try:
        catalogue = open_catalogue(settings)
    except OverzoomError:
        yield from _check_one_by_one(settings)
        return
    with closing(catalogue):
        for source in catalogue.sources():
            yield True, _served(catalogue, source)


def _check_one_by_one(settings: Settings) -> Iterator[tuple[bool, str]]:
    try:
        open_catalogue(settings.model_copy(update={"sources": {}})).close()
    except OverzoomError as error:
        yield False, str(error)
        return
    for id, source in settings.sources.items():
        try:
            catalogue = open_catalogue(settings.model_copy(update={"sources": {id: source}}))
        except OverzoomError as error:
            yield False, f"sources.{id}: {error}"
        else:
            with closing(catalogue):
                yield True, _served(catalogue, catalogue[id])


def _served(catalogue: Catalogue, source: Source) -> str:
    found = describe(catalogue, source)
    what = "{id}: {width} x {height} px, {bands} bands of {dtype}, ".format_map(found)
    if found["served_zooms"] is None:
        return what + "beyond web mercator"
    sizes, deepest = found["pixel_metres"], found["served_zooms"][1]
    return what + (
        f"imagery {metres(sizes['imagery'])} to zoom {found['native_zoom']}, "
        f"served to {deepest} ({metres(sizes['finest'])})"
    )
