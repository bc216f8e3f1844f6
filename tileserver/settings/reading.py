"""How settings are read: the command line before the environment before YAML before defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tileserver.errors import InvalidSettings, StartupError
from tileserver.settings.environment import read_environment
from tileserver.settings.problems import explain
from tileserver.settings.server import Settings
from tileserver.settings.sources import is_remote_address


def read_settings(
    config: Path | None,
    overrides: dict[str, Any],
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from a YAML file (if any), the environment and the command line's overrides.

    Paths in the file are relative to it, others to the working folder. Raises StartupError in one
    line, InvalidSettings where values are wrong.
    """
    given = [] if config is None else [(str(config), _from_yaml(config))]
    given += [*read_environment(environment), ("options", overrides)]
    values: dict[str, Any] = {}
    for _, layer in given:
        values = _deep_merge(values, layer)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidSettings(list(explain(error, given))) from error


def _from_yaml(config: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StartupError(f"{config}: not a readable configuration ({reason})") from error
    if not isinstance(values, dict):
        raise StartupError(f"{config}: not a mapping of settings")
    folder = config.parent
    sources = values.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        path = source.get("path") if isinstance(source, dict) else None
        if isinstance(path, str) and not is_remote_address(path):
            source["path"] = str(folder / path)
    for place, name in ((values, "checkpoint"), (values.get("cache"), "folder")):
        if not (isinstance(place, dict) and isinstance(place.get(name), str)):
            continue
        if not (name == "checkpoint" and _is_name(folder, place[name])):
            place[name] = str(folder / place[name])
    return values


def _is_name(folder: Path, checkpoint: str) -> bool:
    """Whether a checkpoint is given by a bare name, without a folder or suffix, not as a file."""
    bare = Path(checkpoint).name == checkpoint and not Path(checkpoint).suffix
    return bare and not (folder / checkpoint).exists()


def _deep_merge(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in overrides.items():
        inner = merged.get(name)
        both = isinstance(value, dict) and isinstance(inner, dict)
        merged[name] = _deep_merge(inner or {}, value) if both else value
    return merged
