"""How sure a picture is: the standard deviation over samples of several noise seeds, calibrated.

A pixel of it depends on the same pixel of the samples alone, so it joins as they do. Samples differ
less than they err, so their deviation is scaled by what was measured on pictures with a truth, and
intervals are multiples of the result by split-conformal quantiles (arXiv:2107.07511).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels

COVERAGES = (0.8, 0.9, 0.95)
"""Shares of pixels whose truth lies in the interval around what is shown."""
FIT_GROUPS = 32
"""Groups of equally sure pixels that a calibration is fitted to."""


def deviation(samples: Iterable[Pixels]) -> NDArray[np.float64]:
    """The standard deviation (n - 1) over samples of one window, each (C, H, W).

    They may be drawn one after the other: none is kept. Raises ValueError for fewer than two.
    """
    count = 0
    mean = squares = np.zeros((), np.float64)
    for count, pixels in enumerate(samples, start=1):
        drawn = pixels.astype(np.float64)
        step = drawn - mean  # Welford's update: no difference of large sums
        mean = mean + step / count
        squares = squares + step * (drawn - mean)
    if count < 2:
        raise ValueError(f"a standard deviation takes two samples or more, not {count}")
    root: NDArray[np.float64] = np.sqrt(squares / (count - 1))
    return root


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a deviation over samples to the error's, and from that to intervals, for one zoom."""

    factor: float = 1.0
    floor: float = 0.0
    """The error's deviation where samples agree, for imagery in [0, 1]."""
    quantiles: tuple[float, float, float] = (1.2816, 1.6449, 1.96)
    """Half an interval of each of COVERAGES, in calibrated deviations; default: a normal error."""

    def __post_init__(self) -> None:
        if min(self.factor, self.floor, *self.quantiles) < 0:
            raise ValueError(f"a calibration has no negative numbers: {self}")

    def apply(self, spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """The error's standard deviation from that over samples."""
        calibrated: NDArray[np.float64] = np.sqrt((self.factor * spread) ** 2 + self.floor**2)
        return calibrated


def fit_calibration(spread: NDArray[np.float64], error: NDArray[np.float64]) -> Calibration:
    """The calibration of deviations over samples by errors of what is shown, both of one shape.

    Squared errors are fitted by squared deviations, in groups of equal size; quantiles are those
    of the errors' sizes in units of the calibrated deviation.
    """
    spread, error = spread.ravel(), np.abs(error.ravel())
    order = np.argsort(spread, kind="stable")
    groups = np.array_split(order, FIT_GROUPS)
    squares = np.array([(spread[group] ** 2).mean() for group in groups])
    errors = np.array([(error[group] ** 2).mean() for group in groups])
    # Relative errors count: weighed by what is expected, so that flat ground is not forgotten.
    scale = 1 / np.maximum(errors, 1e-12)
    design = np.stack((squares, np.ones_like(squares)), axis=1)
    (slope, offset), *_ = np.linalg.lstsq(design * scale[:, None], errors * scale, rcond=None)
    fitted = Calibration(float(np.sqrt(max(slope, 0.0))), float(np.sqrt(max(offset, 1e-10))))
    ratios = error / fitted.apply(spread)
    low, middle, high = (float(np.quantile(ratios, share)) for share in COVERAGES)
    return Calibration(fitted.factor, fitted.floor, (low, middle, high))


def coverage(
    calibration: Calibration, spread: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[float, ...]:
    """The shares of errors that lie inside the intervals of COVERAGES."""
    calibrated, size = calibration.apply(spread), np.abs(error)
    return tuple(float((size <= q * calibrated).mean()) for q in calibration.quantiles)
