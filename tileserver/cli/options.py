"""Options that several commands share: the configuration, a box, zooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tileserver.errors import StartupError
from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED

if TYPE_CHECKING:
    from tileserver.offline.area import Bbox
    from tileserver.settings.server import Settings

DEEPEST_ZOOM = 30

Command = TypeVar("Command", bound=Callable[..., Any])


def bbox_option(command: Command) -> Command:
    """--bbox W,S,E,N in degrees."""
    return click.option(
        "--bbox",
        metavar="W,S,E,N",
        callback=lambda _context, _option, text: text and bbox(text),
        help="Only the area that intersects this box, in degrees.",
    )(command)


def zooms_option(command: Command) -> Command:
    """--zooms 18, 18-22 or 10,18-22."""
    return click.option(
        "--zooms",
        metavar="Z-Z",
        callback=lambda _context, _option, text: text and zooms(text),
        help="Only these zooms, such as 18-22 or 10,18-22.",
    )(command)


def bbox(text: str) -> Bbox:
    """West, south, east, north; raises click.BadParameter."""
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not west,south,east,north in degrees") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise click.BadParameter(f"{text!r}: west < east and south < north, on the globe")
    return west, south, east, north


def zooms(text: str) -> tuple[int, ...]:
    """The zooms, each once, ascending; raises click.BadParameter."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            least, deepest = int(first), int(last or first)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not like 18, 18-22 or 10,18-22") from None
        if not 0 <= least <= deepest <= DEEPEST_ZOOM:
            raise click.BadParameter(f"{text!r}: zooms go from 0 to {DEEPEST_ZOOM}, upward")
        found.update(range(least, deepest + 1))
    return tuple(sorted(found))


def noise_seed_option(command: Command) -> Command:
    """--noise-seed, in the range that a server allows."""
    return click.option(
        "--noise-seed",
        type=click.IntRange(MIN_NOISE_SEED, MAX_NOISE_SEED),
        default=0,
        show_default=True,
        help="Which sample of the detail.",
    )(command)


def threads_option(command: Command) -> Command:
    """--threads of the denoiser."""
    return click.option(
        "--threads", type=click.IntRange(1), help="Threads of the denoiser.  [one per core]"
    )(command)


def settings_options(command: Command) -> Command:
    """--config and --cache-dir, as `serve` has them."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--cache-dir", type=path, help="Folder of the disk cache."),
        click.option("--config", type=path, help="Configuration in YAML."),
    ):
        command = option(command)
    return command


def settings_of(config: Path | None, cache_dir: Path | None) -> Settings:
    """The server's settings; raises StartupError."""
    from tileserver.settings.reading import read_settings

    return read_settings(config, overrides_of(cache_dir=cache_dir))


def overrides_of(cache_dir: Path | None = None, **options: Any) -> dict[str, Any]:
    """Settings from options that are named like them; those that are None set nothing."""
    overrides = {name: value for name, value in options.items() if value is not None}
    if cache_dir is not None:
        overrides["cache"] = {"folder": str(cache_dir)}
    return overrides


def check_there(paths: Iterable[Path]) -> None:
    """Raises StartupError for a path that is missing, before seconds are spent on imports."""
    for path in paths:
        if not path.exists():
            raise StartupError(f"{path}: no such file or folder")
