"""Bounds of titiler's parameters: none may exhaust CPU or memory, open a file or fetch a URL.

PROJ reads a coordinate reference system from any file or URL that it is given, numexpr raises
constants to any power before it looks at a pixel, a colour map is compared with every pixel once a
colour, and a histogram has as many bins as are asked for. Here stands what each may be.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass

from starlette.requests import Request
from titiler.core.dependencies import PreviewParams

from tileserver.errors import OutOfRange
from tileserver.tiles.colormaps import COLORMAPS, parse_colormap, refuse_unusable

LENGTHS = {"expression": 200, "color_formula": 128, "algorithm_params": 256}
"""Characters at most; the guard bounds the whole URL."""
COUNTS = {"bidx": 16, "rescale": 16, "c": 256, "p": 32}
"""How often a parameter may be repeated."""
MAX_BINS = 1024
MAX_COVER_SCALE = 10
MAX_BLOCKS = 8
MAX_EXPONENT = 16
MAX_CONSTANT = 1e9
EXPRESSIONS = (
    f"arithmetic of bands in {LENGTHS['expression']} characters and {MAX_BLOCKS} blocks at most, "
    f"with constants up to {MAX_CONSTANT:g} and powers of bands up to {MAX_EXPONENT}"
)
EVERYWHERE = frozenset({"v", "key"})
"""Parameters of every route: the version of its tiles, and an API key."""
REFERENCE_SYSTEMS = ("crs", "dst_crs", "coord_crs", "bbox-crs")
REGISTERED = re.compile(
    r"(\w{2,16}:|urn:ogc:def:crs:\w{2,16}:[\w.]{0,8}:|https?://www\.opengis\.net/def/crs/\w{2,16}"
    r"/[\w.]{1,8}/)[A-Za-z0-9]{1,12}",
    re.ASCII,
)
"""A code of a register: EPSG:3857, urn:ogc:def:crs:EPSG::3857, http://www.opengis.net/def/..."""
AUTHORITIES = re.compile(r"\b(EPSG|ESRI|OGC|IGNF|IAU_2015)\b|^CRS:84$", re.IGNORECASE)


@dataclass
class Sizes(PreviewParams):
    """Sides of an image in pixels; one side alone bounds both, so that no strip is endless."""

    def __post_init__(self) -> None:
        if self.width and self.height:
            self.max_size = None  # type: ignore[assignment]  # as titiler has it
        elif self.width or self.height:
            self.max_size = self.width or self.height or self.max_size
            self.width = self.height = None


def check_parameters(request: Request) -> None:
    """Raises OutOfRange for parameters beyond their bounds; knows nothing of their routes."""
    if not request.scope["query_string"]:
        return
    given = request.query_params
    for name, count in COUNTS.items():
        if len(given.getlist(name)) > count:
            raise OutOfRange(name, f"{count} times at most")
    for name, value in given.multi_items():
        if "\0" in value:
            raise OutOfRange(name, "no NUL characters")
        if name in LENGTHS and len(value) > LENGTHS[name]:
            raise OutOfRange(name, f"{LENGTHS[name]} characters at most")
        if name in REFERENCE_SYSTEMS:
            check_reference_system(value)
        elif name == "expression":
            check_expression(value)
        elif name == "histogram_bins":
            _check_bins(value)
        elif name == "cover_scale":
            _check_whole(name, value, MAX_COVER_SCALE)
        elif name == "colormap":
            with refuse_unusable(name, COLORMAPS):
                parse_colormap(value)  # titiler's own bounds no number of colours


def check_known(request: Request, known: Collection[str]) -> None:
    """Raises OutOfRange for the first parameter that a route does not take.

    Ignoring it would answer another question than the one that was asked.
    """
    for name in request.query_params:
        if name not in known and name not in EVERYWHERE:
            listed = ", ".join(sorted({*known} - {*request.path_params, "source"}))
            shown = name if re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII) else "a parameter"
            raise OutOfRange(shown, f"unknown parameter; allowed: {listed}")


def check_reference_system(text: str) -> None:
    """Raises OutOfRange unless a reference system is named by its code in a register."""
    if not REGISTERED.fullmatch(text) or not AUTHORITIES.search(text):
        raise OutOfRange("reference system", "the code of a register, such as EPSG:3857")


def check_expression(text: str) -> None:
    """Raises OutOfRange for band mathematics that is no arithmetic of bands or has no bound."""
    if len(text) > LENGTHS["expression"] or text.count(";") >= MAX_BLOCKS:
        raise OutOfRange("expression", EXPRESSIONS)
    try:
        trees = [ast.parse(block.strip(), mode="eval") for block in text.split(";") if block]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise OutOfRange("expression", EXPRESSIONS) from error
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and not _plain(node.value, MAX_CONSTANT):
                raise OutOfRange("expression", EXPRESSIONS)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
                _check_power(node)


def _check_power(node: ast.BinOp) -> None:
    """Constants are multiplied out before a pixel is read: only bands, to small powers."""
    bands = (n.id for n in ast.walk(node.left) if isinstance(n, ast.Name))
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    constant = isinstance(exponent, ast.Constant) and _plain(exponent.value, MAX_EXPONENT)
    if not constant or not any(re.fullmatch(r"[bB]\d+", name) for name in bands):
        raise OutOfRange("expression", EXPRESSIONS)


def _plain(value: object, limit: float) -> bool:
    return type(value) in (int, float) and abs(value) <= limit  # type: ignore[arg-type]  # a number by then


def _check_bins(text: str) -> None:
    edges = text.split(",")
    if len(edges) > MAX_BINS:
        raise OutOfRange("histogram_bins", f"{MAX_BINS} edges at most")
    if len(edges) == 1:
        _check_whole("histogram_bins", text, MAX_BINS)


def _check_whole(name: str, text: str, limit: int) -> None:
    if parse_whole(text, 1, limit) is None:
        raise OutOfRange(name, f"a whole number from 1 to {limit}")


def parse_whole(text: str, least: int, most: int) -> int | None:
    """A whole number in decimal digits; None for another text, or one out of bounds."""
    digits = text.lstrip("0")[: len(str(most)) + 1] or "0"  # Python reads 4300 digits at most
    valid = text.isascii() and text.isdigit() and least <= int(digits) <= most
    return int(digits) if valid else None
