"""Checkpoints: a safetensors file that carries its own configuration, and its fingerprint.

The metadata key "overzoom" holds JSON: the format, the network's shape, sigma_data and whatever
its training wants remembered (card). The fingerprint is a digest of the file's parameters and of
the configuration that changes pixels; remarks in the card do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.errors import CheckpointError
from engine.network.calibration import Calibration
from engine.network.local import LocalDenoiser, NetworkConfig
from engine.network.network import Config, Kind, Network
from engine.network.pair import SigmaData

FORMAT = "overzoom-pair-haar-2"
"""The meaning of the parameters: raised when a change to the code changes their pixels."""
METADATA_KEY = "overzoom"
LOCAL: Mapping[str, Kind] = {"local": Kind(NetworkConfig, LocalDenoiser)}
"""What can draw any window, by the context that its checkpoint names."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A denoiser with all that is needed to run and to name it."""

    name: str
    denoiser: Network
    sigma_data: SigmaData
    fingerprint: str
    card: dict[str, Any] = field(default_factory=dict)
    calibrations: tuple[Calibration, ...] = ()
    """Of its uncertainty, at the first zoom past native, the second, and so on."""

    def calibration(self, zooms: int) -> Calibration:
        """The calibration so many zooms past native; deeper than was measured: the last."""
        if not self.calibrations:
            return Calibration()
        return self.calibrations[min(zooms, len(self.calibrations)) - 1]


def save_checkpoint(
    path: Path,
    denoiser: Network,
    sigma_data: SigmaData,
    card: dict[str, Any],
    calibrations: Sequence[Calibration] = (),
) -> None:
    """Write a checkpoint; the file is replaced whole or not at all."""
    metadata = {
        "format": FORMAT,
        "context": "local" if denoiser.local else "global",
        "network": asdict(denoiser.config),
        "sigma_data": sigma_data,
        "calibrations": [asdict(one) for one in calibrations],
        "card": card,
    }
    parameters = {
        name: value.detach().cpu().contiguous() for name, value in denoiser.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(save(parameters, {METADATA_KEY: json.dumps(metadata)}))
    partial.replace(path)


def load_checkpoint(
    path: Path, device: str = "cpu", kinds: Mapping[str, Kind] = LOCAL
) -> Checkpoint:
    """Read a checkpoint of one of the kinds of networks, which are named by their context.

    Raises CheckpointError, naming the file, where it is missing, corrupt, not one of ours, of
    another kind, or where its parameters do not fit the configuration that it states.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()  # it is no mapping: it cannot be iterated
            parameters = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    try:
        header = json.loads(metadata[METADATA_KEY])
        if header["format"] != FORMAT:
            raise CheckpointError(
                f"{path}: format {header['format']!r} where this release reads {FORMAT!r}"
            )
        context = header.get("context", "local")
        if context not in kinds:
            raise CheckpointError(
                f"{path}: has {context} context, so what it draws depends on the window: "
                "only comparisons of fusion rules use it"
            )
        kind = kinds[context]
        config = kind.config(**header["network"])
        sigma_data = SigmaData(*(float(value) for value in header["sigma_data"]))
        calibrations = tuple(
            Calibration(one["factor"], one["floor"], tuple(one["quantiles"]))
            for one in header.get("calibrations", ())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not an Overzoom checkpoint ({error})") from error
    denoiser = kind.network(config)
    try:
        denoiser.load_state_dict(parameters)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its parameters do not fit its configuration {config}"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in parameters.values()):
        raise CheckpointError(f"{path}: it holds numbers that are not finite")
    try:
        denoiser.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's to() has no overload for it
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(f"{path}: cannot be put on device {device!r}") from error
    denoiser.requires_grad_(False).eval()
    fingerprint = _fingerprint(parameters, config, sigma_data, calibrations)
    card = header.get("card", {})
    return Checkpoint(path.stem, denoiser, sigma_data, fingerprint, card, calibrations)


def _fingerprint(
    parameters: dict[str, Tensor],
    config: Config,
    sigma_data: SigmaData,
    calibrations: Sequence[Calibration],
) -> str:
    shown = {
        "format": FORMAT,
        "network": asdict(config),
        "sigma_data": sigma_data,
        "calibrations": [asdict(one) for one in calibrations],
    }
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode())
    for name, value in sorted(parameters.items()):
        digest.update(name.encode())
        digest.update(value.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
