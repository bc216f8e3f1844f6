"""What a run of `overzoom upscale` is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.sampling.sampler import SamplerSettings
from engine.sampling.schedule import Schedule
from tileserver.errors import StartupError


@dataclass(frozen=True, slots=True)
class Upscaling:
    """How a raster is super-resolved, and what may be overwritten."""

    factor: int
    settings: SamplerSettings
    checkpoint: Path | None = None
    """Default: the bundled one."""
    device: str = "cpu"
    value_range: tuple[float, float] | None = None
    """What the network sees as 0 to 1; default: as sources.value_range finds it."""
    overwrite: bool = False
    """Whether files that are there already may be replaced."""

    @property
    def zooms(self) -> int:
        return self.factor.bit_length() - 1


def parse_options(options: dict[str, Any]) -> Upscaling:
    """What the command line asks for; sets the number of torch's threads.

    Raises StartupError in one line for a range that is none.
    """
    value_range = options["value_range"]
    if value_range is not None and not all(map(math.isfinite, value_range)):
        raise StartupError(f"--range {value_range[0]} {value_range[1]}: not two finite numbers")
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    steps = {} if options["steps"] is None else {"steps": options["steps"]}
    detail = {} if options["detail"] is None else {"detail": options["detail"]}
    return Upscaling(
        int(options["factor"]),
        SamplerSettings(Schedule(**steps), noise_seed=options["noise_seed"], **detail),
        options["checkpoint"],
        options["device"],
        value_range,
        options["overwrite"],
    )
