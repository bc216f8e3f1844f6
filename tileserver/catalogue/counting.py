"""Bounded counts of categories.

titiler answers `/statistics?categorical=true` with every distinct value and its count: a few for
classes, but millions for elevations.
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
"""As many as a colour table has entries, and as `c=` may name."""


class CountedImage(ImageData):
    """An image that counts at most MAX_CATEGORIES categories a band."""

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
        """rio-tiler's statistics; raises OutOfRange for too many categories."""
        if categorical and not categories:
            for band in self.array:
                if np.unique(band.compressed()).size > MAX_CATEGORIES:
                    raise OutOfRange(
                        "categorical",
                        f"a band here has more than {MAX_CATEGORIES} distinct values: list "
                        "those to count with c, or leave out categorical for a histogram",
                    )
        return super().statistics(categorical, categories, *arguments, **options)


Process = Annotated[BaseAlgorithm | None, Depends(available_algorithms.dependency)]


def counted_process(process: Process) -> Callable[[ImageData], CountedImage] | None:
    """titiler's algorithm, if one is requested; its result has bounded statistics."""
    return None if process is None else lambda image: CountedImage.of(process(image))
