"""Settings from environment variables.

    OVERZOOM_PORT=80                                     a setting
    OVERZOOM_CACHE__REDIS_URL=redis://cache              "__" goes one level down
    OVERZOOM_SOURCES={"scene": {"path": "scene.tif"}}    lists and mappings are JSON
    OVERZOOM_CACHE__REDIS_URL_FILE=/run/secrets/redis    the value is the content of a file

Below the prefix names are read as lower-case, those of sources and keys as well. Kubernetes and
Docker give every container the addresses of other services in variables that start with the
service's name: those of a service that is called overzoom are not settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from tileserver.errors import StartupError
from tileserver.settings.server import Settings

PREFIX = "OVERZOOM_"
LEVEL = "__"
FILE = "_FILE"
NEIGHBOUR = re.compile(r"OVERZOOM_(SERVICE_(HOST|PORT)\w*|PORT_\d+_(TCP|UDP|SCTP)\w*|NAME)")
NEIGHBOUR_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class _Variables(BaseSettings, Settings):
    """Settings as pydantic-settings wants them; never made."""

    model_config = SettingsConfigDict(extra="forbid")


def read_environment(environment: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Every variable that sets something: its name, and what it sets, as nested mappings.

    A later one overrides an earlier one. Unknown settings are among them. Raises StartupError for
    what is not JSON, for a file that cannot be read, and for a setting that is given twice.
    """
    found, given = [], dict[str, str]()
    for name in sorted(environment):
        if not _is_setting(name, environment[name]):
            continue
        setting, value = name, environment[name]
        if name.endswith(FILE):
            setting, value = name.removesuffix(FILE), _content(name, Path(value))
        if setting in given:
            raise StartupError(f"{name}: {given[setting]} is set as well; unset one of them")
        given[setting] = name
        found.append((name, _parse(name, setting, value)))
    return found


def _is_setting(name: str, value: str) -> bool:
    if not name.startswith(PREFIX) or NEIGHBOUR.fullmatch(name):
        return False
    return name != "OVERZOOM_PORT" or not NEIGHBOUR_ADDRESS.match(value)


def _content(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise StartupError(f"{name}: {file} cannot be read ({reason})") from error


def _parse(name: str, setting: str, value: str) -> dict[str, Any]:
    source = EnvSettingsSource(_Variables, env_prefix=PREFIX, env_nested_delimiter=LEVEL)
    source.env_vars = {setting.lower(): value}  # one alone, so that an error names it
    try:
        values = source()
    except SettingsError as error:
        raise StartupError(f"{name}: not JSON ({error.__cause__})") from error
    return values or _nest(setting, value)


def _nest(setting: str, value: str) -> dict[str, Any]:
    values: Any = value
    for level in reversed(list(_levels(setting))):
        values = {level: values}
    return dict(values)


def _levels(setting: str) -> Iterator[str]:
    yield from setting.removeprefix(PREFIX).lower().split(LEVEL)
