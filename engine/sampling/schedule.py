"""Noise levels and the coefficients of every denoising step, in float64.

The sampler is ancestral: a step denoises to x0 and draws the next state from the exact posterior
of a variance-exploding diffusion between two levels (SR3's and DDPM's update in the notation of
EDM, arXiv:2206.00364): mean x0 + (next/sigma)^2 (x - x0), variance next^2 (1 - (next/sigma)^2).
Levels are in units of the residual's standard deviation: EDM's sigma_data is 1 here.
(pair.SigmaData is that deviation, in pixel values.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

MAX_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Step:
    """One denoising step: from level sigma to the mean and the noise of the next state."""

    index: int
    sigma: float
    keep: float
    """The share of the present state in the next mean: mean = x0 + keep (x - x0)."""
    noise: float
    """Standard deviation of the fresh noise; 0 in the last step, whose state is x0."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Noise levels from sigma_max down to sigma_min, spaced as in EDM (rho), then zero."""

    steps: int = 2
    """More made flat ground grainy (engine/training/tried.md)."""
    sigma_max: float = 6.0
    sigma_min: float = 0.15
    rho: float = 7.0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"steps must be 1 to {MAX_STEPS}, not {self.steps}")
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(
                f"sigmas must satisfy 0 < min < max, not {self.sigma_min}, {self.sigma_max}"
            )
        if self.rho <= 0:
            raise ValueError(f"rho must be positive, not {self.rho}")

    def sigmas(self) -> tuple[float, ...]:
        """The level at which each step starts, highest first."""
        if self.steps == 1:
            return (self.sigma_max,)
        first, last = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        return tuple(
            (first + index / (self.steps - 1) * (last - first)) ** self.rho
            for index in range(self.steps)
        )

    def table(self) -> tuple[Step, ...]:
        """Every step's coefficients."""
        levels = (*self.sigmas(), 0.0)
        return tuple(
            Step(index, sigma, (after / sigma) ** 2, after * sqrt(1 - (after / sigma) ** 2))
            for index, (sigma, after) in enumerate(pairwise(levels))
        )
