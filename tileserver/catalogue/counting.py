"""Counts of categories, bounded: a histogram of every value that a raster has has no end.

titiler answers `/statistics?categorical=true` with every different value and its count: few for
classes, of whatever type; a million for elevations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self

import attrs
import numpy as np
from fastapi import Depends
from rio_tiler.models import BandStatistics, ImageData
from titiler.core.algorithm import algorithms as available_algorithms
from titiler.core.algorithm.base import BaseAlgorithm

from tileserver.errors import OutOfRange

MAX_CATEGORIES = 256
"""As many as a colour table has, and as may be named by `c=`."""


class CountedImage(ImageData):
    """An image whose categories are counted where there are no more than MAX_CATEGORIES."""

    @classmethod
    def of(cls, image: ImageData) -> Self:
        """The same image."""
        members = {one.name: getattr(image, one.name) for one in attrs.fields(ImageData)}
        return cls(**members)

    def statistics(
        self,
        categorical: bool = False,
        categories: list[float] | None = None,
        *arguments: Any,
        **options: Any,
    ) -> dict[str, BandStatistics]:
        """rio-tiler's statistics; raises OutOfRange where too many categories would be listed."""
        if categorical and not categories:
            for band in self.array:
                if np.unique(band.compressed()).size > MAX_CATEGORIES:
                    raise OutOfRange(
                        "categorical",
                        f"for bands of {MAX_CATEGORIES} different values at most, and one here has "
                        "more: name those to count by c, or take the histogram without it",
                    )
        return super().statistics(categorical, categories, *arguments, **options)


Process = Annotated[BaseAlgorithm | None, Depends(available_algorithms.dependency)]


def counted_process(process: Process) -> Callable[[ImageData], CountedImage] | None:
    """titiler's algorithm, if one is asked for; what it makes has bounded statistics."""
    return None if process is None else lambda image: CountedImage.of(process(image))
