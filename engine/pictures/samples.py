"""The samples of one source: a pyramid for each noise seed and each amount of detail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from engine.pictures.pyramid import Pyramid


class Sample(NamedTuple):
    """Identifies one of a source's super-resolved pictures."""

    noise_seed: int
    detail: float
    """Share of the texture, drawn around the mean, that is shown: 0 to 1."""


class Samples:
    """Pyramids by sample, each made at its first use; thread-safe."""

    def __init__(
        self, noise_seeds: Sequence[int], detail: float, pyramid: Callable[[Sample], Pyramid]
    ) -> None:
        """pyramid: makes the pyramid of a sample. The first of noise_seeds is the default."""
        self.noise_seeds, self.detail = tuple(noise_seeds), detail
        self._make = pyramid
        self._pyramids: dict[Sample, Pyramid] = {}
        self._lock = Lock()

    def sample(self, noise_seed: int | None = None, detail: float | None = None) -> Sample:
        """The sample of a request; with detail 0 all noise seeds are one sample.

        Raises ValueError for a noise seed or an amount of detail that is not served.
        """
        if noise_seed not in (None, *self.noise_seeds):
            raise ValueError(f"noise seed must be one of {self.noise_seeds}, not {noise_seed}")
        if detail not in (None, 0.0, self.detail):
            raise ValueError(f"detail must be 0 or {self.detail}, not {detail}")
        shown = self.detail if detail is None else float(detail)
        first = self.noise_seeds[0]
        return Sample(first if noise_seed is None or shown == 0.0 else noise_seed, shown)

    def pyramid(self, sample: Sample) -> Pyramid:
        """The pyramid of a sample; raises ValueError as `sample` does."""
        sample = self.sample(*sample)
        with self._lock:
            if sample not in self._pyramids:
                self._pyramids[sample] = self._make(sample)
            return self._pyramids[sample]
