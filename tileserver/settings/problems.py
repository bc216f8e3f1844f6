"""What is wrong with settings, in words: where it was set, which setting, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tileserver.settings.server import Settings

Given = tuple[str, dict[str, Any]]
"""Where settings were given, in words, and the settings."""
Place = tuple[int | str, ...]
"""Names of settings, from the outermost to the innermost."""


def explain(error: ValidationError, given: Sequence[Given]) -> Iterator[str]:
    """Yields one line per problem; given: in increasing precedence."""
    for problem in error.errors(include_url=False, include_input=False):
        place = problem["loc"]
        where = _find_giver(place, given)
        if problem["type"] == "extra_forbidden":
            *around, name = map(str, place)
            prefix = f"{'.'.join(around)}: " if around else ""
            yield f"{where}: {prefix}unknown setting {name!r}{_suggestion(place)}"
        else:
            names = ".".join(str(name) for name in place if name != "[key]")
            yield f"{where}: {names}: {problem['msg'].removeprefix('Value error, ')}"


def _find_giver(place: Place, given: Sequence[Given]) -> str:
    """Who gave a setting: of those that gave most of the way to it, the last in order."""
    depths = [_depth(place, values) for _, values in given]
    last = max(range(len(given)), key=lambda number: (depths[number], number))
    return given[last][0]


def _depth(place: Place, values: object) -> int:
    if place and isinstance(values, dict) and place[0] in values:
        return 1 + _depth(place[1:], values[place[0]])
    return 0


def _suggestion(place: Place) -> str:
    model = _model_at(Settings, place[:-1])
    names = list(model.model_fields) if model else []
    close = get_close_matches(str(place[-1]), names, 1)
    return f": did you mean {close[0]!r}?" if close else ""


def _model_at(annotation: Any, place: Place) -> type[BaseModel] | None:
    """The model of the settings at a place below an annotation."""
    if get_origin(annotation) in (Union, UnionType):
        found = (_model_at(one, place) for one in get_args(annotation))
        return next((model for model in found if model), None)
    if get_origin(annotation) is dict and place:
        return _model_at(get_args(annotation)[1], place[1:])
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    if not place:
        return annotation
    field = annotation.model_fields.get(str(place[0]))
    return _model_at(field.annotation, place[1:]) if field else None
