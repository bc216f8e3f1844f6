"""What a read shows of a raster's picture: its bands, and rio-tiler's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rio_tiler.errors import RioTilerError
from rio_tiler.expression import parse_expression
from rio_tiler.models import ImageData, PointData
from titiler.core.errors import BadRequestError

Indexes = int | Sequence[int] | None
Read = TypeVar("Read", ImageData, PointData)
REFUSED = ("nodata", "unscale", "vrt_options")
"""Options of reading a file that mean nothing for a picture drawn of it."""
BLENDING = {"resampling_method": "bilinear", "reproject_method": "bilinear"}
"""How a picture is resampled where nothing else is asked for; exact on its own pixels."""


class UnsupportedOption(BadRequestError, RioTilerError):
    """An option of rio-tiler's that a super-resolved picture has no meaning for; titiler's 400."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The bands and options of one read, of a raster whose picture has the bands `known`."""

    known: tuple[int, ...]
    indexes: Indexes
    expression: str | None
    options: dict[str, Any]

    @property
    def bands(self) -> tuple[int, ...]:
        """Band numbers of the raster; raises UnsupportedOption for one that its picture lacks."""
        wanted = parse_expression(self.expression) if self.expression else self.indexes
        if wanted is None:
            wanted = self.known
        wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
        if not set(wanted) <= set(self.known):
            raise UnsupportedOption(f"bands are {self.known}, not {wanted}")
        return wanted

    @property
    def positions(self) -> list[int]:
        """Where the picture has those bands, from 1."""
        return [self.known.index(band) + 1 for band in self.bands]

    @property
    def checked(self) -> dict[str, Any]:
        """The options that are given; raises UnsupportedOption for those that mean nothing here."""
        given = {name: value for name, value in self.options.items() if value is not None}
        refused = [name for name in REFUSED if given.get(name, False) is not False]
        if refused:
            raise UnsupportedOption(f"a super-resolved read takes no {', '.join(refused)}")
        return given

    def label(self, read: Read, path: str | None, metadata: dict[str, Any]) -> Read:
        """What was read of the picture, as read of the raster: its bands' names, its expression."""
        read.assets, read.metadata = [path], metadata
        read.band_names = [f"b{band}" for band in self.bands]
        read.band_descriptions = read.band_names
        return read.apply_expression(self.expression) if self.expression else read
