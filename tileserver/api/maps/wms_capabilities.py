"""WMS capabilities, 1.3.0 and 1.1.1: a layer a source, a style for each way to make its detail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jinja2

from tileserver.api.maps.wms_question import NEW
from tileserver.catalogue.coverage import UNREACHED, find_extent
from tileserver.catalogue.layers import Source
from tileserver.errors import OutOfRange
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps.area import Bounds, project_box
from tileserver.tiles.maps.reference_systems import CRS84, MERCATOR, ReferenceSystem, find_system
from tileserver.tiles.request import Mode

FORMATS = (ImageFormat.png, ImageFormat.jpg, ImageFormat.webp, ImageFormat.avif, ImageFormat.tif)
"""Of maps; the first is what most clients take."""
CODES = (MERCATOR, "EPSG:4326", "CRS:84")
SYNTHESISED = "Past the native resolution the detail is synthesised."
REPEATED = "Past the native resolution its pixels are repeated."

_templates = jinja2.Environment(
    autoescape=True,
    loader=jinja2.PackageLoader("tileserver.api.maps"),
    undefined=jinja2.StrictUndefined,
)


class Style(NamedTuple):
    """A way to make zooms past native, and what a tile's parameters call it."""

    name: str
    title: str
    mode: Mode | None = None
    detail: float | None = None


DEFAULT = Style("default", "As the source is configured")
STYLES = (
    Style("super-resolved", "Super-resolved", Mode.super_resolved),
    Style("best-estimate", "Super-resolved, without synthesised texture", detail=0.0),
    Style("interpolated", "Plain interpolation", Mode.interpolated),
)


class Box(NamedTuple):
    """A box, in the order of the axes of a version."""

    code: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """What the document says of a source."""

    id: str
    title: str
    abstract: str
    attribution: str | None
    bounds: Bounds
    codes: list[str]
    boxes: list[Box]
    styles: list[Style]


def write_capabilities(
    sources: Iterable[Source], version: str, *, title: str, home: str, address: str,
    max_side_px: int, licence: str | None = None,
) -> str:  # fmt: skip
    """The document of sources in a version; what lies on no map is left out.

    address: what clients append their parameters to.
    """
    return _templates.get_template(f"wms-{version}.xml").render(
        title=title,
        abstract="Super-resolved imagery: maps finer than the imagery show synthesised detail.",
        licence=licence,
        home=home,
        address=address,
        max_side_px=max_side_px,
        formats=FORMATS,
        layers=list(_describe(sources, version)),
    )


def styles_of(source: Source) -> list[Style]:
    """The styles that a source's layer has, the default first."""
    return [DEFAULT, *(() if source.raster.nearest else STYLES)]


def _describe(sources: Iterable[Source], version: str) -> Iterator[LayerEntry]:
    for source in sources:
        try:
            extent, styles = find_extent(source), styles_of(source)
        except UNREACHED:
            continue
        boxes = list(_project(source, extent, version))
        yield LayerEntry(
            id=source.id,
            title=source.title,
            abstract=REPEATED if source.raster.nearest else SYNTHESISED,
            attribution=source.settings.attribution,
            bounds=extent.bounds,
            codes=[box.code for box in boxes],
            boxes=boxes,
            styles=styles,
        )


def _project(source: Source, bounds: Bounds, version: str) -> Iterator[Box]:
    """The bounds in the systems that are named; all others of the register are answered, too."""
    raster, degrees = source.raster, find_system(CRS84)
    authority = raster.crs.to_authority()
    own = ":".join(authority) if authority else None
    for code in dict.fromkeys((*CODES, own)):
        try:
            system = find_system(code or "")
            own_box = system.crs == raster.crs
            box = raster.bounds if own_box else project_box(bounds, degrees, system)
        except OutOfRange:
            continue
        yield Box(code or "", _order(box, system, version))


def _order(box: Bounds, system: ReferenceSystem, version: str) -> Bounds:
    return system.order(box) if version == NEW else box
