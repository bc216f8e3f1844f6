"""The training loop: a generator of progress that can be stopped and resumed at any batch.

Batch k is a function of (noise_seed, k), so a run that was killed resumes with the batches it
would have seen. Everything that must survive lies in one state file, replaced atomically.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import TrainingError
from engine.evaluation.global_unet import KINDS
from engine.network.checkpoint import load_checkpoint, save_checkpoint
from engine.network.doubling import REACH_PX, doubled_whole
from engine.network.local import LocalDenoiser
from engine.network.pair import SigmaData, deeper_picture, to_pixel_units
from engine.network.projection import pool
from engine.sampling.denoising import Encoding
from engine.sampling.schedule import Schedule
from engine.training.adversary import Adversary
from engine.training.batches import Batches
from engine.training.deviation import shown_deviation_error
from engine.training.flatness import level_flat_ground
from engine.training.growth import grow
from engine.training.imagery import Collection, prepared
from engine.training.loss import (
    Pair,
    band_weights,
    drawn_residual,
    evenness,
    squared_error,
    target_residual,
)
from engine.training.optimizer import average_into, learning_rate, parameter_groups
from engine.training.prefetch import prefetch
from engine.training.progress import Progress
from engine.training.settings import Stage, TrainingSettings
from engine.training.texture import TextureJudge


def train(
    collections: Sequence[Collection], settings: TrainingSettings, run: Path, card: dict[str, Any]
) -> Iterator[Progress]:
    """Train, saving run/state.pt and run/checkpoint.safetensors; resumes what run holds."""
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
        self.settings, self.run, self.card = settings, run, card
        torch.manual_seed(settings.noise_seed)  # initial parameters; torch has no other way in
        kind = next(k for k in KINDS.values() if isinstance(settings.network, k.config))
        network = kind.network(settings.network).to(settings.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's to() has no overload for it
        if isinstance(self.network, LocalDenoiser):
            self.network.pad(True)
        self.ema = deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, settings), lr=settings.learning_rate, betas=(0.9, 0.99)
        )
        self.adversary = None
        if settings.adversary_share > 0:
            channels = settings.network.image_channels
            self.adversary = Adversary(settings.adversary_share, channels, settings.device)
        self.data = Batches(collections, settings)
        self.iteration, self.seconds, self.sigma_data = 0, 0.0, SigmaData(0.0, 0.0)
        self.initial = None
        if settings.initial is not None:
            self.initial = load_checkpoint(settings.initial, settings.device, KINDS)
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
            self.sigma_data = self.data.measure_sigma_data()
        self.weights = band_weights(self.network.channels, self.sigma_data).to(settings.device)
        if settings.stage is Stage.TEXTURE:
            self.texture = TextureJudge(settings, self.weights, self.sigma_data, self.adversary)
        saved = time.monotonic()
        ahead = prefetch(self.data.pair, self.iteration, settings.device)
        with closing(ahead):
            while self.fraction < 1.0:
                began = time.monotonic()
                mean, picture, perceptual = self._step(next(ahead))
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

    def _step(self, pair: Pair) -> tuple[float, float, float]:
        """One batch: the mean's error, the drawn picture's, and its perceptual terms."""
        settings, device = self.settings, self.settings.device
        generator = torch.Generator(device)
        generator.manual_seed(settings.noise_seed * 2**32 + self.iteration)
        chance = np.random.default_rng([settings.noise_seed, self.iteration, 1]).random()
        if chance < settings.own_output_share:
            pair = self._own_output(pair, generator)
        rate = learning_rate(settings, self.iteration, self.fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        target = target_residual(pair, self.sigma_data)
        even = evenness(pair.condition, self.sigma_data)
        with torch.autocast(device, torch.bfloat16, enabled=settings.bfloat16):
            encoding = Encoding(*(part.float() for part in self.network.encode(pair.condition)))
            total = squared_error(encoding.mean, target, self.weights * even)
            errors = [float(total.detach()), 0.0, 0.0]
            if settings.stage is Stage.DEVIATION:
                total = shown_deviation_error(
                    self.network, pair, encoding, self.sigma_data, generator
                )
                errors[1] = float(total.detach())
            if settings.stage is Stage.TEXTURE:
                judged = self.texture.loss(
                    self.network, pair, encoding, target, even, self.iteration, generator
                )
                total = total + judged.total
                errors[1:] = [judged.picture, judged.perceptual]
        if not bool(torch.isfinite(total)):
            raise TrainingError(f"the loss is no longer finite at iteration {self.iteration}")
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch's has no types
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        halflife = min(settings.ema_halflife_iterations, 1 + self.iteration / 4)
        average_into(self.ema, self.network, halflife)
        mean, picture, perceptual = errors
        return mean, picture, perceptual

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
        return deeper_picture(padded, to_pixel_units(bands, self.sigma_data))

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
        if self.adversary is not None:
            state["adversary"] = self.adversary.state_dict()
        training = {
            **asdict(self.settings),
            "initial": self.settings.initial.stem if self.settings.initial else None,
            "teacher": self.settings.teacher.stem if self.settings.teacher else None,
            "iterations_done": self.iteration,
            "seconds": round(self.seconds),
            "collections": self.data.weights,
        }
        card = {**self.card, "training": training}
        denoiser = self.ema
        if self.settings.stage is not Stage.DEVIATION and isinstance(denoiser, LocalDenoiser):
            denoiser = level_flat_ground(denoiser, self.data.ground)
        save_checkpoint(self.run / "checkpoint.safetensors", denoiser, self.sigma_data, card)
        partial = self.run / "state.partial"
        torch.save(state, partial)
        partial.replace(self.run / "state.pt")
        return self._samples()

    def _samples(self) -> Tensor:
        """Doubled condition, one sample and truth of a held batch, rows of three."""
        pair = self.data.pair(-100)
        generator = torch.Generator(self.settings.device).manual_seed(0)
        count = min(4, self.settings.batch_size)
        condition = pair.condition[:count]
        drawn = self._drawn(condition, 2, generator)
        rows = torch.cat((doubled_whole(condition), drawn, pair.target[:count]), dim=-1)
        return torch.cat(tuple(rows), dim=-2).clamp(0, 1).cpu()

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
            if self.adversary is not None:
                self.adversary.load_state_dict(state["adversary"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                f"{path} does not belong to a run with these settings: choose another folder"
            ) from error
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        self.sigma_data = SigmaData(*state["sigma_data"])
