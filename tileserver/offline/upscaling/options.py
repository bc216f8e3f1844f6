"""The options of a run of `overzoom upscale`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from tileserver.errors import StartupError
from tileserver.offline.area import Bbox
from tileserver.offline.upscaling.compression import QUALITY


@dataclass(frozen=True, slots=True)
class Upscaling:
    """How to super-resolve a raster, and whether to overwrite files."""

    factor: int
    settings: SamplerSettings
    checkpoint: Path | None = None
    """A file, or a bundled one's name; default: the bundled one."""
    device: str = "cpu"
    value_range: tuple[float, float] | None = None
    """The values that the network sees as 0 and 1; default: as rasters.value_range finds them."""
    overwrite: bool = False
    """Whether existing files may be replaced."""
    compression: str | None = None
    """Of GeoTIFFs; default: compression.DEFAULT."""
    quality: int = QUALITY
    """Of lossy compression, 1 to 100."""
    bbox: Bbox | None = None
    """The part to write; default: all."""

    @property
    def zooms(self) -> int:
        return self.factor.bit_length() - 1


def parse_options(options: dict[str, Any]) -> Upscaling:
    """The options of the command line; also sets the number of torch's threads.

    Raises StartupError for an invalid range.
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
        None if options["checkpoint"] is None else Path(options["checkpoint"]),
        options["device"],
        value_range,
        options["overwrite"],
        options["compression"],
        options["quality"],
        options["bbox"],
    )
