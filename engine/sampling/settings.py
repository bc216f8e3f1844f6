"""What decides a sample, besides the denoiser and its condition; loaded without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.sampling.lattice import Lattice
from engine.sampling.schedule import Schedule


class Fusion(StrEnum):
    """A rule by which patches are fused (engine.sampling.fusion)."""

    INDEPENDENT = "independent"
    AVERAGE = "average"
    VCF = "vcf"
    SDVC = "sdvc"


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """The settings of a sample, besides the denoiser and its condition."""

    schedule: Schedule = field(default_factory=Schedule)
    lattice: Lattice = field(default_factory=Lattice)
    noise_seed: int = 0
    fusion: Fusion = Fusion.SDVC
    detail: float = 0.7
    """Share of the texture, drawn around the mean, that is shown: 0 to 1; at 0 nothing is drawn.
    The default keeps PSNR above bicubic's (engine/training/tried.md)."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.detail <= 1.0:
            raise ValueError(f"detail must be 0 to 1, not {self.detail}")
