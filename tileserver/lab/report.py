"""A report: tables and pictures, written as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.imagery import Pixels

Cell = str | float


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures; note says how they were obtained."""

    title: str
    note: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    picture: str | None = None
    """The name of a picture file beside the report."""

    def markdown(self) -> Iterable[str]:
        yield f"## {self.title}"
        yield ""
        yield self.note
        yield ""
        if self.rows:
            yield "| " + " | ".join(self.columns) + " |"
            yield "|" + "---|" * len(self.columns)
            for row in self.rows:
                yield "| " + " | ".join(_shown(cell) for cell in row) + " |"
            yield ""
        if self.picture is not None:
            yield f"![{self.title}]({self.picture})"
            yield ""


@dataclass(slots=True)
class Report:
    """A folder with report.md, report.json and pictures; rewritten after every table."""

    folder: Path
    heading: str
    tables: list[Table] = field(default_factory=list)

    def add(self, table: Table) -> None:
        self.tables.append(table)
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"# {self.heading}", ""]
        for one in self.tables:
            lines += one.markdown()
        (self.folder / "report.md").write_text("\n".join(lines), "utf-8")
        content = json.dumps([_plain(asdict(one)) for one in self.tables], indent=1)
        (self.folder / "report.json").write_text(content, "utf-8")

    def picture(self, name: str, pixels: Pixels) -> str:
        """Save a picture (3, H, W) in [0, 1] as lossless WebP; the name to link to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(levels)).save(self.folder / name, lossless=True)
        return name

    def text(self, name: str, content: str) -> str:
        """Save a text file, for instance a drawing; the name to link to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(content, "utf-8")
        return name


def _plain(value: Any) -> Any:
    """NaN and infinities as null, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if not np.isfinite(cell):
        return ""
    digits = 4 if abs(cell) < 1 else 3 if abs(cell) < 10 else 2 if abs(cell) < 100 else 0
    return f"{cell:.{digits}f}"


def rows_by_name(rows: dict[str, Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Rows with their name as the first cell."""
    return tuple((name, *cells) for name, cells in rows.items())
