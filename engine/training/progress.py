"""The progress that a run of training reports, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Progress:
    """One batch done."""

    iteration: int
    fraction: float
    mean: float
    """Squared error of the mean, in units of the residual's variance, even over crops."""
    picture: float
    """The same of a drawn picture; 0 where none is drawn."""
    perceptual: float
    """What drawn pictures are judged by besides; 0 where none is drawn."""
    images_per_second: float
    samples: Tensor | None = None
    """Where the state was saved: condition, x0 and truth side by side, (3, H, W) in [0, 1]."""
