"""Parameters that maps of all protocols share: their format and their background."""

from __future__ import annotations

from PIL import ImageColor

from tileserver.errors import OutOfRange
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps.request import Colour

WHITE: Colour = (255, 255, 255)
LONGEST_COLOUR = 32
COLOURS = "a colour such as 0xFFFFFF, #FFFFFF or white"
_FORMATS = {str(format): format for format in ImageFormat}
_FORMATS |= {format.media_type: format for format in ImageFormat if format != ImageFormat.jpeg}
_FORMATS |= {"image/tiff": ImageFormat.tif, "image/geotiff": ImageFormat.tif}
NAMES = ", ".join(str(format) for format in ImageFormat)


def parse_format(text: str, parameter: str = "f") -> ImageFormat:
    """The format of a name, as of a tile's suffix, or of a media type; raises OutOfRange."""
    found = _FORMATS.get(text.lower())
    if found is None:
        raise OutOfRange(parameter, f"{NAMES}, or such a media type")
    return found


def choose_accepted(accept: str) -> ImageFormat:
    """The format that an Accept header wants most; of those that it wants equally, the first.

    PNG where it wants none of them, and for browsers, which want pages.
    """
    wanted = dict(map(_parse_accepted, accept.lower().split(",")))
    if "text/html" in wanted:
        return ImageFormat.png

    def weigh(format: ImageFormat) -> float:
        names = (format.media_type.partition(";")[0], f"{format.media_type.split('/')[0]}/*", "*/*")
        return next((wanted[name] for name in names if name in wanted), 0.0)

    return max(ImageFormat, key=weigh)


def _parse_accepted(part: str) -> tuple[str, float]:
    """A media type of an Accept header without its parameters, and its weight."""
    name, *parameters = (text.strip() for text in part.split(";"))
    weights = [text[2:] for text in parameters if text.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0


def parse_colour(text: str) -> Colour:
    """Red, green and blue of a colour's name or hexadecimal digits; raises OutOfRange."""
    try:
        if len(text) > LONGEST_COLOUR:
            raise ValueError
        levels = ImageColor.getrgb(f"#{text[2:]}" if text[:2] in ("0x", "0X") else text)
        if not all(0 <= level <= 255 for level in levels):
            raise ValueError
    except ValueError:
        raise OutOfRange("bgcolor", COLOURS) from None
    return levels[0], levels[1], levels[2]
