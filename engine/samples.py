"""The samples of one source: a pyramid a noise seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from engine.imagery import Imagery
from engine.pyramid import Pyramid


class Samples:
    """Pyramids by noise seed, each made when it is first asked for; from any thread."""

    def __init__(self, noise_seeds: Sequence[int], pyramid: Callable[[int], Pyramid]) -> None:
        """pyramid makes the one of a noise seed; the first of noise_seeds is the default."""
        self.noise_seeds = tuple(noise_seeds)
        self._make = pyramid
        self._pyramids: dict[int, Pyramid] = {}
        self._lock = Lock()

    def pyramid(self, noise_seed: int) -> Pyramid:
        """The pyramid of a noise seed; raises ValueError for one that is not among them."""
        if noise_seed not in self.noise_seeds:
            raise ValueError(f"noise seed {noise_seed} is none of {self.noise_seeds}")
        with self._lock:
            if noise_seed not in self._pyramids:
                self._pyramids[noise_seed] = self._make(noise_seed)
            return self._pyramids[noise_seed]

    def pictures(self, zoom: int, noise_seeds: Sequence[int]) -> list[Imagery]:
        """The super-resolved pictures of noise seeds; raises ValueError."""
        return [self.pyramid(seed).picture(zoom) for seed in noise_seeds]
