"""Learning from a network that was trained for longer: its pictures of native imagery.

A teacher needs no truth, so the network also learns from native pixels, not only reduced ones; and
its picture is free of noise. It is projected onto its data, like every picture here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engine.network.projection import pool, up
from engine.network.span import load_span


class Teacher:
    """SPAN x4: pictures (B, 3, h, w) in [0, 1] -> (B, 3, 4h, 4w) with the same 4x4 means."""

    def __init__(self, path: Path, device: str) -> None:
        self._network = load_span(path).to(device)

    @torch.inference_mode()
    def enlarge(self, low: Tensor) -> Tensor:
        enlarged: Tensor = self._network(low)
        return enlarged + up(up(low - pool(pool(enlarged))))
