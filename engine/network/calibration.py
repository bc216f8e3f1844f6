"""Calibration of an uncertainty: scales predicted deviations to measured errors.

The scale is measured on pictures with a truth that the network was not trained on; intervals are
multiples of the scaled deviation by split-conformal quantiles (arXiv:2107.07511).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COVERAGES = (0.8, 0.9, 0.95)
"""Shares of pixels whose truth lies in the interval around the displayed value."""
FIT_GROUPS = 32
"""Groups of pixels of similar predicted deviation that a calibration is fitted to."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a predicted deviation to the error's, and from that to intervals, for one zoom."""

    factor: float = 1.0
    floor: float = 0.0
    """The error's deviation where none is predicted, for imagery in [0, 1]."""
    quantiles: tuple[float, float, float] = (1.2816, 1.6449, 1.96)
    """Half an interval of each of COVERAGES, in calibrated deviations; default: a normal error."""

    def __post_init__(self) -> None:
        if min(self.factor, self.floor, *self.quantiles) < 0:
            raise ValueError(f"calibration numbers must not be negative: {self}")

    def apply(self, predicted: NDArray[np.floating]) -> NDArray[np.floating]:
        """The error's standard deviation, from the predicted one."""
        calibrated: NDArray[np.floating] = np.sqrt((self.factor * predicted) ** 2 + self.floor**2)
        return calibrated


def fit_calibration(predicted: NDArray[np.float64], error: NDArray[np.float64]) -> Calibration:
    """The calibration of predicted deviations by errors of what is shown, both of one shape.

    Squared errors are fitted by squared deviations, in groups of equal size; quantiles are those
    of the errors' sizes in units of the calibrated deviation.
    """
    predicted, error = predicted.ravel(), np.abs(error.ravel())
    order = np.argsort(predicted, kind="stable")
    groups = np.array_split(order, FIT_GROUPS)
    squares = np.array([(predicted[group] ** 2).mean() for group in groups])
    errors = np.array([(error[group] ** 2).mean() for group in groups])
    # Relative errors count: weighed by what is expected, so that flat ground is not forgotten.
    scale = 1 / np.maximum(errors, 1e-12)
    design = np.stack((squares, np.ones_like(squares)), axis=1)
    (slope, offset), *_ = np.linalg.lstsq(design * scale[:, None], errors * scale, rcond=None)
    fitted = Calibration(float(np.sqrt(max(slope, 0.0))), float(np.sqrt(max(offset, 1e-10))))
    ratios = error / fitted.apply(predicted)
    low, middle, high = (float(np.quantile(ratios, share)) for share in COVERAGES)
    return Calibration(fitted.factor, fitted.floor, (low, middle, high))


def coverage(
    calibration: Calibration, predicted: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[float, ...]:
    """The shares of errors that lie inside the intervals of COVERAGES."""
    calibrated, size = calibration.apply(predicted), np.abs(error)
    return tuple(float((size <= q * calibrated).mean()) for q in calibration.quantiles)
