"""Rectangles of absolute pixels.

A zoom's pixel grid is unbounded: rows grow downward, columns to the right, and both may be
negative. Everything in the engine that is drawn, read or cached is addressed by such a rectangle.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of absolute pixels at one zoom: rows [row, row+height), columns likewise."""

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a window needs at least one pixel, not {self.height}x{self.width}")

    @property
    def bottom(self) -> int:
        """The first row below the window."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """The first column right of the window."""
        return self.col + self.width

    def dilated(self, margin_px: int) -> Window:
        """The window grown by margin_px on every side (shrunk where it is negative)."""
        return Window(
            self.row - margin_px,
            self.col - margin_px,
            self.height + 2 * margin_px,
            self.width + 2 * margin_px,
        )

    def aligned(self, multiple: int) -> Window:
        """The smallest window around this one whose edges are multiples of multiple."""
        row, col = self.row // multiple * multiple, self.col // multiple * multiple
        bottom, right = -(-self.bottom // multiple), -(-self.right // multiple)
        return Window(row, col, bottom * multiple - row, right * multiple - col)

    def blocks(self, side: int) -> list[Window]:
        """The squares on multiples of their side that it intersects, row by row."""
        outer = self.aligned(side)
        return [
            Window(row, col, side, side)
            for row in range(outer.row, outer.bottom, side)
            for col in range(outer.col, outer.right, side)
        ]

    def parent(self, scale: int = 2) -> Window:
        """The smallest window that covers this one, `scale` times coarser; 2: the parent zoom."""
        outer = self.aligned(scale)
        return Window(
            outer.row // scale, outer.col // scale, outer.height // scale, outer.width // scale
        )

    def children(self, scale: int = 2) -> Window:
        """The window of the same ground, `scale` times finer; 2: one zoom deeper."""
        return Window(self.row * scale, self.col * scale, self.height * scale, self.width * scale)

    def contains(self, other: Window) -> bool:
        return (
            self.row <= other.row
            and self.col <= other.col
            and self.bottom >= other.bottom
            and self.right >= other.right
        )

    def intersection(self, other: Window) -> Window | None:
        """The pixels in both, or None where there are none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.bottom, other.bottom) - row
        width = min(self.right, other.right) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def union(self, other: Window) -> Window:
        """The smallest window that holds both."""
        row, col = min(self.row, other.row), min(self.col, other.col)
        return Window(
            row, col, max(self.bottom, other.bottom) - row, max(self.right, other.right) - col
        )

    def slices(self, inner: Window) -> tuple[slice, slice]:
        """Where inner lies in an array that covers this window: (rows, columns)."""
        if not self.contains(inner):
            raise ValueError(f"{inner} does not lie inside {self}")
        row, col = inner.row - self.row, inner.col - self.col
        return slice(row, row + inner.height), slice(col, col + inner.width)
