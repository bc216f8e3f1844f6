"""Errors as WMS reports them: as a document, written on the map, or as an empty map."""

from __future__ import annotations

from textwrap import wrap
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.maps.wms_question import DEFAULT_FORMAT, NEW, Question
from tileserver.api.parameters import parse_whole
from tileserver.errors import STATUS_CODES, OutOfRange, RequestError, UnknownSource
from tileserver.middleware.error_handlers import error_headers
from tileserver.tiles.encoding import ImageFormat, encode

REFUSED = frozenset({400, 404, 422})
"""Answered with status 200, as WMS servers do: clients show the text of no other answer."""
CODES = {
    "layers": "LayerNotDefined",
    "styles": "StyleNotDefined",
    "format": "InvalidFormat",
    "request": "OperationNotSupported",
    "crs": "InvalidCRS",
    "srs": "InvalidSRS",
}
"""Of the standard, by the parameter that is wrong."""
BLANK_PX = 256
"""Sides of a map that shows an error, where none are given or too large ones."""
CHARACTER_PX, LINE_PX = 6, 12
_NEW = """<?xml version="1.0" encoding="UTF-8"?>
<ServiceExceptionReport version="1.3.0" xmlns="http://www.opengis.net/ogc" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="\
http://www.opengis.net/ogc http://schemas.opengis.net/wms/1.3.0/exceptions_1_3_0.xsd">
  <ServiceException{code}>{text}</ServiceException>
</ServiceExceptionReport>
"""
_OLD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ServiceExceptionReport SYSTEM \
"http://schemas.opengis.net/wms/1.1.1/exception_1_1_1.dtd">
<ServiceExceptionReport version="1.1.1">
  <ServiceException{code}>{text}</ServiceException>
</ServiceExceptionReport>
"""


def report(question: Question, error: RequestError) -> Response:
    """The answer to an error in the form that is asked for."""
    status = STATUS_CODES[type(error)]
    status = 200 if status in REFUSED else status
    headers = error_headers(error)
    if question.operation == "getmap" and question.exceptions != "xml":
        format = _find_format(question)
        content = _draw(question, str(error), format)
        return Response(content, status, headers, media_type=format.media_type)
    code = _find_code(error)
    attribute = f' code="{code}"' if code else ""
    text = escape(str(error))
    if question.version == NEW:
        content = _NEW.format(code=attribute, text=text).encode()
        return Response(content, status, headers, media_type="text/xml")
    content = _OLD.format(code=attribute, text=text).encode()
    return Response(content, status, headers, media_type="application/vnd.ogc.se_xml")


def report_wms(request: Request, error: RequestError, *, max_side_px: int) -> Response:
    """The answer to an error of a WMS request; max_side_px: the longest side of a map."""
    return report(Question(request, max_side_px), error)


def _find_code(error: RequestError) -> str | None:
    if isinstance(error, OutOfRange):
        missing = error.allowed == "missing" and error.parameter in ("crs", "srs", "format")
        return None if missing else CODES.get(error.parameter)
    return CODES["layers"] if isinstance(error, UnknownSource) else None


def _find_format(question: Question) -> ImageFormat:
    try:
        format = question.format
    except OutOfRange:
        return DEFAULT_FORMAT
    return DEFAULT_FORMAT if format.holds_values else format


def _draw(question: Question, text: str, format: ImageFormat) -> bytes:
    """A map of the asked-for size, or a small one, that says what is wrong or nothing."""
    sides = (question.given.get(name, "") for name in ("width", "height"))
    width, height = (parse_whole(side, 1, question.max_side_px) or BLANK_PX for side in sides)
    try:
        colour = question.background
    except OutOfRange:
        colour = None
    shown = (255, 255, 255) if colour is None else colour
    if question.exceptions == "inimage":
        picture = Image.new("RGB", (width, height), shown)
        lines = wrap(text, max(8, width // CHARACTER_PX))
        contrast = (0, 0, 0) if sum(shown) > 382 else (255, 255, 255)
        drawing = ImageDraw.Draw(picture)
        for number, line in enumerate(lines):
            drawing.text((2, 2 + LINE_PX * number), line, fill=contrast)
        levels = np.asarray(picture).transpose(2, 0, 1)
        return encode(levels, np.ones((height, width), np.bool_), format)
    levels = np.empty((3, height, width), np.uint8)
    levels[:] = np.array(shown, np.uint8)[:, None, None]
    return encode(levels, np.full((height, width), colour is not None), format)
