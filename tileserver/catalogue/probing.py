"""Whether windows agree on this machine (engine.pictures.probe): measured once, then remembered.

    known in this process -> in the cache's folder (PROBES) -> measured

What is remembered holds for one checkpoint, engine, device, number of threads and PyTorch: a
change of any is measured anew. Losing it costs a second at the next start.
"""

from __future__ import annotations

import hashlib
import json
import platform
import threading
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

import engine
from cache.disk import TAG
from cache.files import write_whole
from cache.key import fingerprint
from engine.network.checkpoint import Checkpoint
from engine.pictures import probe
from engine.sampling.sampler import SamplerSettings

PROBES = ".probes.json"
"""Starts with a dot, as no key of a tile does: it is neither counted nor evicted."""
MAX_PROBES = 64
"""The latest ones; each has 30 bytes."""

_known: dict[str, bool] = {}
_lock = threading.Lock()


def windows_agree(
    checkpoint: Checkpoint, settings: SamplerSettings, device: str, folder: Path | None
) -> bool:
    """As engine.pictures.probe.windows_agree.

    folder: that of the disk cache; nothing is written where there is none yet.
    """
    key = _key(checkpoint, settings, device)
    with _lock:
        if key not in _known:
            kept = {} if folder is None else _read(folder)
            if key not in kept:
                kept[key] = probe.windows_agree(checkpoint, settings, device)
                if folder is not None:
                    _write(folder, kept)
            _known[key] = kept[key]
        return _known[key]


def describe_machine(device: str) -> tuple[object, ...]:
    """What decides how a device rounds: its model and the release of PyTorch."""
    on_gpu = torch.device(device).type == "cuda"
    model = torch.cuda.get_device_name(device) if on_gpu else (device, _processor())
    return model, torch.__version__


def _key(checkpoint: Checkpoint, settings: SamplerSettings, device: str) -> str:
    code = hashlib.sha256()
    for file in sorted(Path(engine.__file__).parent.rglob("*.py")):
        code.update(file.read_bytes())
    return fingerprint(
        checkpoint=checkpoint.fingerprint,
        sampler=replace(settings, noise_seed=0),  # values decide no order of sums
        machine=describe_machine(device),
        threads=torch.get_num_threads(),
        version=version("overzoom"),
        engine=code.hexdigest(),
    )


def _processor() -> tuple[str, ...]:
    """What the choice of kernels depends on."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line, torch.backends.cpu.get_cpu_capability()
    return platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()


def _read(folder: Path) -> dict[str, bool]:
    """What was kept; nothing where it is damaged."""
    try:
        kept = json.loads((folder / PROBES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {key: value for key, value in kept.items() if isinstance(value, bool)}


def _write(folder: Path, kept: dict[str, bool]) -> None:
    """Keep the latest; the file is replaced whole or not at all."""
    if not (folder / TAG).exists():
        return
    latest = dict([*kept.items()][-MAX_PROBES:])
    with suppress(OSError):
        write_whole(folder / PROBES, json.dumps(latest).encode())
