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
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.checkpoint import Config, load_checkpoint, new_network, save_checkpoint
from engine.denoising import denoise, halo_px
from engine.doubling import doubled_whole
from engine.errors import TrainingError
from engine.network import NetworkConfig
from engine.perceptual import Backbone, PerceptualDistance
from engine.projection import detailed, into_range, pool
from engine.schedule import Schedule
from engine.training.degradation import degraded
from engine.training.growth import grow
from engine.training.imagery import Collection, prepared, random_crop
from engine.training.loss import (
    Pair,
    cell_pattern,
    drawn_pictures,
    perceptual_distance,
    residual,
    squared_error,
)

SIGMA_DATA_BATCHES = 8
"""Batches from which the residual's standard deviation is measured before training."""
PREFETCHED = 4
"""Batches prepared ahead by worker threads."""
DRAWN_STEPS = (1, 2, 2, 4)
"""Steps of the pictures that the perceptual term sees, in turn: most as the server draws them."""
PATTERN_WEIGHT = 1.0
"""Of the pattern of cells beside the perceptual distance (both times perceptual_weight)."""
MIN_JUDGED_PX = 96
"""VGG's last stage is a sixteenth as large, and the corner that it looks from moves by 16 px."""
BACKBONE_WEIGHTS: dict[Backbone, float] = {"alex": 1.0, "vgg": 0.4}
"""VGG's distances are two to five times as large: so both backbones pull alike."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that a run is defined by, its imagery apart."""

    network: Config = field(default_factory=NetworkConfig)
    iterations: int = 20_000
    minutes: float | None = None
    """Run for this long instead of a number of iterations; the cosine follows the clock."""
    initial: Path | None = None
    """A checkpoint to start from, of the same network or of a smaller one."""
    batch_size: int = 6
    draws: int = 2
    """Noise levels a crop, for one encoding of its condition."""
    crop_px: int = 256
    learning_rate: float = 6e-4
    warmup_iterations: int = 200
    ema_halflife_iterations: int = 300
    perceptual_weight: float = 10.0
    perceptual_share: float = 0.34
    """Share of a batch that the perceptual term looks at: it costs as much as the network."""
    backbones: tuple[Backbone, ...] = ("alex", "vgg")
    """Networks that judge, batch by batch in turn."""
    perceptual_start: float = 0.2
    """Progress (0 to 1) from which the perceptual term counts, unless the run has an initial."""
    own_output_share: float = 0.25
    """Share of batches whose condition is the model's own picture of the zoom above."""
    own_output_start: float = 0.3
    noise_seed: int = 0
    device: str = "cpu"
    bfloat16: bool = False
    """Mixed precision: convolutions in bfloat16, everything that adds up in float32."""
    save_every_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One batch done."""

    iteration: int
    fraction: float
    squared: float
    perceptual: float
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
        self.ema = deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99)
        )
        self.metrics = [
            (PerceptualDistance(name).to(settings.device), BACKBONE_WEIGHTS[name])
            for name in (settings.backbones if settings.perceptual_weight > 0 else ())
        ]
        self.iteration, self.seconds, self.sigma_data = 0, 0.0, 0.0
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

    def _reached(self, fraction: float) -> bool:
        """Whether a run is so far; one that starts from a checkpoint is from the beginning."""
        return self.settings.initial is not None or self.fraction >= fraction

    def batches(self) -> Iterator[Progress]:
        settings = self.settings
        if self.sigma_data == 0.0:
            sample = [residual(self._pair(-1 - k)) for k in range(SIGMA_DATA_BATCHES)]
            self.sigma_data = float(torch.cat(sample).std())
        saved = time.monotonic()
        with ThreadPoolExecutor(1 if settings.device == "cpu" else 8) as workers:
            ahead: list[Future[Pair]] = [
                workers.submit(self._pair, self.iteration + k) for k in range(PREFETCHED)
            ]
            while self.fraction < 1.0:
                began = time.monotonic()
                ahead.append(workers.submit(self._pair, self.iteration + PREFETCHED))
                squared, perceptual = self._step(ahead.pop(0).result())
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
                    squared,
                    perceptual,
                    settings.batch_size / elapsed,
                    samples,
                )
            for future in ahead:
                future.cancel()

    def _pair(self, index: int) -> Pair:
        """Batch number index; negative numbers are batches that training never sees."""
        generator = np.random.default_rng(
            [self.settings.noise_seed, index if index >= 0 else 2**40 - index]
        )
        conditions, truths = [], []
        for _ in range(self.settings.batch_size):
            truth = random_crop(self.collections, self.settings.crop_px, generator)
            conditions.append(degraded(truth, generator))
            truths.append(torch.from_numpy(truth))
        return Pair(torch.stack(conditions), torch.stack(truths))

    def _step(self, pair: Pair) -> tuple[float, float]:
        settings, device = self.settings, self.settings.device
        generator = torch.Generator(device)
        generator.manual_seed(settings.noise_seed * 2**32 + self.iteration)
        pair = Pair(pair.condition.to(device), pair.truth.to(device))
        chance = np.random.default_rng([settings.noise_seed, self.iteration, 1]).random()
        if chance < settings.own_output_share and self._reached(settings.own_output_start):
            pair = Pair(self._own_output(pair.truth, generator), pair.truth)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with torch.autocast(device, torch.bfloat16, enabled=settings.bfloat16):
            features = self.network.encode(pair.condition).float()
            squared = squared_error(
                self.network, pair, features, self.sigma_data, settings.draws, generator
            )
            distance = self._distance(pair, features, generator)
        total = squared + settings.perceptual_weight * distance
        if not bool(torch.isfinite(total)):
            raise TrainingError(f"the loss is no longer finite at iteration {self.iteration}")
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._average()
        return float(squared.detach()), float(distance.detach())

    def _distance(self, pair: Pair, features: Tensor, generator: torch.Generator) -> Tensor:
        """The distance and the pattern of pictures drawn of some of the crops, weighed."""
        if not self.metrics or not self._reached(self.settings.perceptual_start):
            return features.new_zeros(())
        metric, weight = self.metrics[self.iteration % len(self.metrics)]
        turn = self.iteration // len(self.metrics)
        schedule = Schedule(steps=self._fitting(DRAWN_STEPS[turn % len(DRAWN_STEPS)]))
        some = slice(0, max(1, round(len(features) * self.settings.perceptual_share)))
        picture, truth = drawn_pictures(
            self.network, pair[some], features[some], self.sigma_data, schedule, generator
        )
        pattern = cell_pattern(picture, truth, self.sigma_data)
        distance = perceptual_distance(picture, truth, metric, generator)
        return weight * distance + PATTERN_WEIGHT * pattern

    def _fitting(self, steps: int) -> int:
        """So many steps, or as many as leave a picture that is large enough to judge."""
        side = self.settings.crop_px
        while steps > 1 and side - 4 * halo_px(self.network, steps) < MIN_JUDGED_PX:
            steps -= 1
        return steps

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
    def _own_output(self, truth: Tensor, generator: torch.Generator) -> Tensor:
        """Conditions doubled from the averaged model's own picture of the zoom above."""
        return doubled_whole(self._drawn(doubled_whole(pool(pool(truth))), 2, generator))

    @torch.no_grad()
    def _drawn(self, condition: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """The averaged model's picture of whole conditions (B, C, H, W), borders reflected."""
        network, device = self.ema, condition.device
        height, width = (side // 2 for side in condition.shape[-2:])
        margin_px = 2 * halo_px(network, steps)
        padded = _mirrored(condition, margin_px)

        def noise(_step: int, margin: int) -> Tensor:
            shape = (len(condition), network.channels, height + 2 * margin, width + 2 * margin)
            return torch.randn(shape, generator=generator, device=device)

        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            bands = denoise(network, padded, Schedule(steps=steps), noise).float()
        return into_range(detailed(condition, bands * self.sigma_data), pool(condition))

    def _save(self) -> Tensor:
        self.run.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "sigma_data": self.sigma_data,
        }
        training = {
            **asdict(self.settings),
            "initial": self.settings.initial.stem if self.settings.initial else None,
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
        """Condition, one sample in four steps and truth of held batches, rows of three."""
        pair = self._pair(-100)
        generator = torch.Generator(self.settings.device).manual_seed(0)
        count = min(4, self.settings.batch_size)
        condition = pair.condition[:count].to(self.settings.device)
        drawn = self._drawn(condition, 4, generator).cpu()
        rows = torch.cat((pair.condition[:count], drawn, pair.truth[:count]), dim=-1)
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
        self.sigma_data = state["sigma_data"]


def _mirrored(image: Tensor, margin_px: int) -> Tensor:
    """The image reflected at its borders by a margin that may be wider than the image."""
    while margin_px > 0:
        step = min(margin_px, image.shape[-1] - 1, image.shape[-2] - 1)
        image = torch.nn.functional.pad(image, (step,) * 4, mode="reflect")
        margin_px -= step
    return image
