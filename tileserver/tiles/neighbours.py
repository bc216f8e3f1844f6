"""Windows of one size that lie side by side, and what they are together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from engine.window import Window


def rectangle(start: Window, waiting: set[Window], limit: int) -> list[Window]:
    """The windows of a full rectangle around start, grown side by side while all are waiting."""
    height, width = start.height, start.width
    outer = start
    grown = True
    while grown:
        grown = False
        for wider in (
            Window(outer.row, outer.col, outer.height, outer.width + width),
            Window(outer.row, outer.col, outer.height + height, outer.width),
            Window(outer.row, outer.col - width, outer.height, outer.width + width),
            Window(outer.row - height, outer.col, outer.height + height, outer.width),
        ):
            cells = _cells(wider, height, width)
            if len(cells) <= limit and waiting.issuperset(cells):
                outer, grown = wider, True
                break
    return _cells(outer, height, width)


def join(windows: Iterable[Window]) -> Window:
    """The smallest window that holds all of them, at least one."""
    return reduce(Window.union, windows)


def _cells(outer: Window, height: int, width: int) -> list[Window]:
    return [
        Window(row, col, height, width)
        for row in range(outer.row, outer.bottom, height)
        for col in range(outer.col, outer.right, width)
    ]
