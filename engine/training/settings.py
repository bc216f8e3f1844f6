"""The parameters of a run of training."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from engine.network.local import PAIR_SCALE, NetworkConfig
from engine.network.network import Config
from engine.perceptual import Backbone
from engine.training.loss import EDGE_CELLS

MIN_JUDGED_PX = 80
"""VGG's last stage is a sixteenth as large: smaller pictures are not judged."""
CROP_MULTIPLE_PX = 16
"""A crop is halved four times where its condition is the model's own picture."""
JUDGES: tuple[Backbone, ...] = ("alex", "vgg")
"""The backbone of every batch in turn."""
DRAWN_DETAILS = (0.85, 1.0)


class Stage(StrEnum):
    """The part of the network that a run trains."""

    MEAN = "mean"
    """The encoder alone: the best estimate, without texture."""
    TEXTURE = "texture"
    """The denoiser, and slowly the encoder, whose mean is preserved."""
    DEVIATION = "deviation"
    """Only the estimate of the error; pictures do not change."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """All parameters of a run except its imagery."""

    network: Config = field(default_factory=NetworkConfig)
    stage: Stage = Stage.MEAN
    iterations: int = 20_000
    minutes: float | None = None
    """Run for this long instead of a number of iterations; the cosine follows the clock."""
    initial: Path | None = None
    """A checkpoint to start from, of the same network or of a smaller one."""
    teacher: Path | None = None
    """Parameters of SPAN x4, whose pictures of native imagery are learned from."""
    teacher_share: float = 0.15
    """Share of crops that have the teacher's picture in place of a truth."""
    batch_size: int = 8
    draws: int = 1
    """Noise levels a crop, for one encoding of its condition."""
    crop_px: int = 192
    learning_rate: float = 1e-3
    encoder_rate: float = 0.1
    """The encoder's share of the learning rate while texture is trained."""
    warmup_iterations: int = 200
    ema_halflife_iterations: int = 300
    picture_weight: float = 1.0
    """Of the squared error of drawn pictures, beside the mean's."""
    perceptual_weight: float = 8.0
    perceptual_share: float = 0.5
    """Share of a batch whose pictures are drawn and judged: it costs more than the network."""
    judges: tuple[Backbone, ...] = JUDGES
    """Networks that judge, batch by batch in turn."""
    judges_a_batch: int = 1
    """How many of them judge one batch."""
    drawn_details: tuple[float, ...] = DRAWN_DETAILS
    """Detail of the pictures that are judged as drawn, in turn: most as the server shows them."""
    adversary_share: float = 0.0
    """A discriminator's pull on drawn pictures, as a share of all other judges'; 0: none."""
    own_output_share: float = 0.0
    """Share of batches whose condition is the model's own picture, two zooms deeper."""
    noise_seed: int = 0
    device: str = "cpu"
    bfloat16: bool = False
    """Mixed precision: convolutions in bfloat16, everything that adds up in float32."""
    save_every_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.adversary_share and (self.stage is not Stage.TEXTURE or not self.perceptual_weight):
            raise ValueError("adversary_share needs stage texture and a perceptual_weight above 0")
        least = MIN_JUDGED_PX + 2 * EDGE_CELLS * PAIR_SCALE
        if self.crop_px < least or self.crop_px % CROP_MULTIPLE_PX:
            raise ValueError(
                f"crop_px must be a multiple of {CROP_MULTIPLE_PX} from {least} px up, "
                f"not {self.crop_px}"
            )
