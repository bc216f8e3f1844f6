"""The examples under a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """An epilog of commands, each on a line of its own."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
