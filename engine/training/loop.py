"""The training loop: a generator of progress that can be stopped and taken up at any batch.

Batch k is a function of (noise_seed, k), so a run that was killed goes on with the batches it
would have seen. Everything that must survive lies in one state file, replaced atomically.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.checkpoint import Config, Network, load_checkpoint, new_network, save_checkpoint
from engine.denoising import Encoding
from engine.doubling import REACH_PX, doubled_whole
from engine.errors import TrainingError
from engine.network import PAIR_SCALE, LocalDenoiser, NetworkConfig
from engine.pair import SigmaData, deeper_picture, in_pixels
from engine.perceptual import Backbone, PerceptualDistance
from engine.projection import pool
from engine.sampler import SamplerSettings
from engine.schedule import Schedule
from engine.training.degradation import degraded
from engine.training.growth import grow
from engine.training.imagery import Collection, prepared, random_crop
from engine.training.loss import (
    EDGE_CELLS,
    Pair,
    band_weights,
    cell_pattern,
    denoising_error,
    deviation_error,
    drawn_residual,
    evenness,
    excess_variance,
    inside_picture,
    perceptual_distance,
    phase_unevenness,
    pictures,
    residual,
    squared_error,
    target_residual,
)
from engine.training.teacher import Teacher

SIGMA_DATA_BATCHES = 8
"""Batches from which the residual's standard deviation is measured before training."""
PREFETCHED = 4
"""Batches prepared ahead by worker threads."""
DRAWN_STEPS = (1, 2, 2, 4)
"""Steps of the pictures that are judged as drawn, in turn: most as the server draws them."""
PATTERN_WEIGHT = 1.0
"""Of the pattern of cells beside the perceptual distance (both times perceptual_weight)."""
FLATNESS_WEIGHT = 0.02
"""Of variance that the truth does not have, likewise."""
PHASE_WEIGHT = 4.0
"""Of detail gathered at the borders of native pixels, likewise."""
DRAWN_DETAILS = (0.75, 1.0, 0.75)
"""Detail of the pictures that are judged as drawn, in turn: most as the server shows them."""
MIN_JUDGED_PX = 80
"""VGG's last stage is a sixteenth as large: smaller pictures are not judged."""
CROP_MULTIPLE_PX = 16
"""A crop is halved four times where its condition is the model's own picture."""
JUDGES: tuple[Backbone, ...] = ("alex", "vgg")
"""The backbone of every batch in turn."""
JUDGE_WEIGHTS: dict[Backbone, float] = {"alex": 1.0, "vgg": 1.5}
UPPER_EVERY = 3
"""Every so many turns the upper zoom is judged as well."""


class Stage(StrEnum):
    """What a run trains."""

    MEAN = "mean"
    """The encoder alone: the best estimate, without texture."""
    TEXTURE = "texture"
    """The denoiser, and the encoder with it, slowly, its mean kept."""
    DEVIATION = "deviation"
    """The estimate of the error alone; pictures stay as they are."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that a run is defined by, its imagery apart."""

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
    own_output_share: float = 0.0
    """Share of batches whose condition is the model's own picture, two zooms deeper."""
    noise_seed: int = 0
    device: str = "cpu"
    bfloat16: bool = False
    """Mixed precision: convolutions in bfloat16, everything that adds up in float32."""
    save_every_seconds: float = 120.0

    def __post_init__(self) -> None:
        least = MIN_JUDGED_PX + 2 * EDGE_CELLS * PAIR_SCALE
        if self.crop_px < least or self.crop_px % CROP_MULTIPLE_PX:
            raise ValueError(
                f"crop_px must be a multiple of {CROP_MULTIPLE_PX} from {least} px up, "
                f"not {self.crop_px}"
            )


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


def train(
    collections: Sequence[Collection], settings: TrainingSettings, run: Path, card: dict[str, Any]
) -> Iterator[Progress]:
    """Train, saving run/state.pt and run/checkpoint.safetensors; goes on where run left off."""
    trainer = _Trainer(prepared(collections, settings.crop_px), settings, run, card)
    yield from trainer.batches()


class _Trainer:
    def __init__(
        self,
        collections: list[Collection],
        settings: TrainingSettings,
        run: Path,
        card: dict[str, Any],
    ) -> None:
        self.collections, self.settings, self.run, self.card = collections, settings, run, card
        torch.manual_seed(settings.noise_seed)  # initial parameters; torch has no other way in
        network = new_network(settings.network).to(settings.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if isinstance(self.network, LocalDenoiser):
            self.network.pad(True)
        self.ema = deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.network, settings), lr=settings.learning_rate, betas=(0.9, 0.99)
        )
        self.teacher = Teacher(settings.teacher) if settings.teacher is not None else None
        judged = settings.stage is Stage.TEXTURE and settings.perceptual_weight > 0
        self.metrics = {
            name: PerceptualDistance(name).to(settings.device)
            for name in (dict.fromkeys(settings.judges) if judged else ())
        }
        self.iteration, self.seconds, self.sigma_data = 0, 0.0, SigmaData(0.0, 0.0)
        self.initial = None
        if settings.initial is not None:
            self.initial = load_checkpoint(settings.initial, settings.device)
            self.card = {**card, "initial": self.initial.card}
        self._restore()

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        if self.settings.minutes is not None:
            return min(1.0, self.seconds / (60 * self.settings.minutes))
        return min(1.0, self.iteration / self.settings.iterations)

    def batches(self) -> Iterator[Progress]:
        settings = self.settings
        if self.sigma_data.upper == 0.0:
            self.sigma_data = self._measured()
        self.weights = band_weights(self.network.channels, self.sigma_data).to(settings.device)
        saved = time.monotonic()
        with ThreadPoolExecutor(1 if settings.device == "cpu" else 8) as workers:
            ahead: list[Future[Pair]] = [
                workers.submit(self._pair, self.iteration + k) for k in range(PREFETCHED)
            ]
            while self.fraction < 1.0:
                began = time.monotonic()
                ahead.append(workers.submit(self._pair, self.iteration + PREFETCHED))
                mean, picture, perceptual = self._step(ahead.pop(0).result())
                elapsed = time.monotonic() - began
                self.seconds += elapsed
                self.iteration += 1
                samples = None
                due = time.monotonic() - saved > settings.save_every_seconds
                if due or self.fraction >= 1.0:
                    saved = time.monotonic()
                    samples = self._save()
                yield Progress(
                    self.iteration,
                    self.fraction,
                    mean,
                    picture,
                    perceptual,
                    settings.batch_size / elapsed,
                    samples,
                )
            for future in ahead:
                future.cancel()

    def _measured(self) -> SigmaData:
        """The residual's standard deviation at both zooms, over batches that are never seen."""
        bands = torch.cat([residual(self._pair(-1 - k)) for k in range(SIGMA_DATA_BATCHES)])
        upper = bands.shape[1] // 5
        return SigmaData(float(bands[:, :upper].std()), float(bands[:, upper:].std()))

    def _pair(self, index: int) -> Pair:
        """Batch number index; negative numbers are batches that training never sees."""
        generator = np.random.default_rng(
            [self.settings.noise_seed, index if index >= 0 else 2**40 - index]
        )
        crops = [self._crop(generator) for _ in range(self.settings.batch_size)]
        return Pair(*(torch.stack(part) for part in zip(*crops, strict=True)))

    def _crop(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A condition and what it stands for: a truth, or a teacher's picture of native pixels."""
        size = self.settings.crop_px
        if self.teacher is not None and generator.random() < self.settings.teacher_share:
            native = random_crop(self.collections, size // PAIR_SCALE, generator)
            low = torch.from_numpy(native)
            return doubled_whole(low[None])[0], self.teacher.enlarge(low)
        truth = torch.from_numpy(random_crop(self.collections, size, generator))
        return degraded(pool(truth), generator), truth

    def _step(self, pair: Pair) -> tuple[float, float, float]:
        """One batch: the mean's error, the drawn picture's, and its perceptual terms."""
        settings, device = self.settings, self.settings.device
        generator = torch.Generator(device)
        generator.manual_seed(settings.noise_seed * 2**32 + self.iteration)
        pair = pair.to(device)
        chance = np.random.default_rng([settings.noise_seed, self.iteration, 1]).random()
        if chance < settings.own_output_share:
            pair = self._own_output(pair, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate() * group["share"]
        target = target_residual(pair, self.sigma_data)
        even = evenness(pair.condition, self.sigma_data)
        with torch.autocast(device, torch.bfloat16, enabled=settings.bfloat16):
            encoding = Encoding(*(part.float() for part in self.network.encode(pair.condition)))
            total = squared_error(encoding.mean, target, self.weights * even)
            errors = [float(total.detach()), 0.0, 0.0]
            if settings.stage is Stage.DEVIATION:
                total = self._deviation_error(pair, encoding, generator)
                errors[1] = float(total.detach())
            if settings.stage is Stage.TEXTURE:
                total, errors = self._with_texture(pair, encoding, target, even, total, generator)
        if not bool(torch.isfinite(total)):
            raise TrainingError(f"the loss is no longer finite at iteration {self.iteration}")
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._average()
        mean, picture, perceptual = errors
        return mean, picture, perceptual

    def _deviation_error(
        self, pair: Pair, encoding: Encoding, generator: torch.Generator
    ) -> Tensor:
        """How badly the predicted deviation fits the errors of pictures drawn as they are shown."""
        with torch.no_grad():
            settings = SamplerSettings()
            texture = drawn_residual(self.network, encoding.context, settings.schedule, generator)
            bands = encoding.mean + settings.detail * texture
            shown = pictures(pair, bands, self.sigma_data)
        predicted = self.network.deviation(pair.condition)
        return deviation_error(predicted, shown, inside_picture(pair.target), self.sigma_data)

    def _with_texture(
        self,
        pair: Pair,
        encoding: Encoding,
        target: Tensor,
        even: Tensor,
        mean_error: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, list[float]]:
        """The loss with all that texture is judged by."""
        settings = self.settings
        mean, context = encoding.mean.detach(), encoding.context
        errors = denoising_error(self.network, target - mean, context, settings.draws, generator)
        total = mean_error + (errors * even.repeat(settings.draws, 1, 1, 1)).mean()
        if not self.metrics:
            return total, [float(mean_error.detach()), 0.0, 0.0]
        turn, place = divmod(self.iteration, len(settings.judges))
        judge = settings.judges[place]
        some = slice(0, max(1, round(len(mean) * settings.perceptual_share)))
        schedule = Schedule(steps=DRAWN_STEPS[turn % len(DRAWN_STEPS)])
        detail = DRAWN_DETAILS[turn % len(DRAWN_DETAILS)]
        texture = drawn_residual(self.network, context[some], schedule, generator)
        bands = mean[some] + detail * texture
        picture_error = squared_error(bands, target[some], self.weights * even[some])
        upper, deeper = pictures(pair[some], bands, self.sigma_data)
        truth = inside_picture(pair.target[some])
        metric = self.metrics[judge]
        distance = perceptual_distance(deeper, truth, metric, generator)
        if turn % UPPER_EVERY == 0 and min(upper.shape[-2:]) >= MIN_JUDGED_PX:
            distance = distance + perceptual_distance(upper, pool(truth), metric, generator)
        phases = phase_unevenness(deeper, truth, 4) + phase_unevenness(upper, pool(truth), 2)
        judged = (
            JUDGE_WEIGHTS[judge] * distance
            + PHASE_WEIGHT * phases
            + PATTERN_WEIGHT * cell_pattern(deeper, truth, self.sigma_data.deeper)
            + FLATNESS_WEIGHT * excess_variance(deeper, truth, self.sigma_data.deeper)
        )
        total = total + settings.picture_weight * picture_error
        total = total + settings.perceptual_weight * judged
        return total, [float(term.detach()) for term in (mean_error, picture_error, judged)]

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.iteration + 1) / self.settings.warmup_iterations)
        return self.settings.learning_rate * warm * (0.5 + 0.5 * cos(pi * self.fraction))

    @torch.no_grad()
    def _average(self) -> None:
        halflife = min(self.settings.ema_halflife_iterations, 1 + self.iteration / 4)
        rate = 1 - 0.5 ** (1 / halflife)
        for mean, value in zip(self.ema.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, rate)

    @torch.no_grad()
    def _own_output(self, pair: Pair, generator: torch.Generator) -> Pair:
        """Conditions doubled from the averaged model's own picture of two zooms above."""
        above = doubled_whole(pool(pool(pool(pool(pair.target)))))
        return Pair(doubled_whole(self._drawn(above, 2, generator)), pair.target)

    @torch.no_grad()
    def _drawn(self, condition: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """The averaged model's picture (B, C, 4h, 4w) of whole conditions (B, C, 2h, 2w)."""
        with torch.autocast(condition.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            encoding = self.ema.encode(condition)
            bands = encoding.mean.float()
            if self.settings.stage is not Stage.MEAN:
                context = encoding.context.float()
                bands = bands + drawn_residual(self.ema, context, Schedule(steps=steps), generator)
        padded = torch.nn.functional.pad(condition, (REACH_PX,) * 4, mode="reflect")
        return deeper_picture(padded, in_pixels(bands, self.sigma_data))

    def _save(self) -> Tensor:
        self.run.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "sigma_data": tuple(self.sigma_data),
        }
        training = {
            **asdict(self.settings),
            "initial": self.settings.initial.stem if self.settings.initial else None,
            "teacher": self.settings.teacher.stem if self.settings.teacher else None,
            "iterations_done": self.iteration,
            "seconds": round(self.seconds),
            "collections": {c.name: c.weight for c in self.collections},
        }
        card = {**self.card, "training": training}
        save_checkpoint(self.run / "checkpoint.safetensors", self.ema, self.sigma_data, card)
        partial = self.run / "state.partial"
        torch.save(state, partial)
        partial.replace(self.run / "state.pt")
        return self._samples()

    def _samples(self) -> Tensor:
        """Doubled condition, one sample and truth of a held batch, rows of three."""
        pair = self._pair(-100)
        generator = torch.Generator(self.settings.device).manual_seed(0)
        count = min(4, self.settings.batch_size)
        condition = pair.condition[:count].to(self.settings.device)
        drawn = self._drawn(condition, 2, generator).cpu()
        plain = doubled_whole(pair.condition[:count])
        rows = torch.cat((plain, drawn, pair.target[:count]), dim=-1)
        return torch.cat(tuple(rows), dim=-2).clamp(0, 1)

    def _begin(self) -> None:
        if self.initial is not None:
            self.sigma_data = self.initial.sigma_data
            grow(self.network, self.initial.denoiser)
            self.ema.load_state_dict(self.network.state_dict())

    def _restore(self) -> None:
        path = self.run / "state.pt"
        if not path.exists():
            self._begin()
            return
        try:
            state = torch.load(path, map_location=self.settings.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                f"{path} does not belong to a run with these settings: choose another folder"
            ) from error
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        self.sigma_data = SigmaData(*state["sigma_data"])


def _parameter_groups(network: Network, settings: TrainingSettings) -> list[dict[str, Any]]:
    """The encoder's parameters and the denoiser's, each with its share of the learning rate."""
    if settings.stage is Stage.DEVIATION and isinstance(network, LocalDenoiser):
        network.requires_grad_(False)
        network.deviations.requires_grad_(True)
        return [{"params": list(network.deviations.parameters()), "share": 1.0}]
    if settings.stage is Stage.MEAN or not isinstance(network, LocalDenoiser):
        return [{"params": list(network.parameters()), "share": 1.0}]
    encoder = [
        value
        for part in (network.stem, network.encoder, network.mean)
        for value in part.parameters()
    ]
    known = {id(value) for value in encoder}
    rest = [value for value in network.parameters() if id(value) not in known]
    return [
        {"params": encoder, "share": settings.encoder_rate},
        {"params": rest, "share": 1.0},
    ]
