"""Whether windows agree on this machine (engine.pictures.probe): measured once, then stored.

    this process -> file PROBES in the cache's folder -> measurement

A stored result holds for one checkpoint, engine, device, number of threads and PyTorch version.
Losing it costs a second at the next start.
"""

from __future__ import annotations

import hashlib
import json
import platform
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

import engine
from cache.disk_folder import TAG
from cache.files import write_whole
from cache.key import fingerprint
from engine.network.checkpoint import Checkpoint
from engine.pictures import probe
from engine.sampling.settings import SamplerSettings

PROBES = ".probes.json"
"""Starts with a dot, as no tile key does: neither counted nor evicted by the disk cache."""
MAX_PROBES = 64
"""Stored results, latest last; 30 bytes each."""

_known: dict[str, bool] = {}
_lock = threading.Lock()


def windows_agree(
    checkpoint: Checkpoint, settings: SamplerSettings, device: str, folder: Path | None
) -> bool:
    """As engine.pictures.probe.windows_agree.

    folder: the disk cache's; nothing is written if there is no cache yet.
    """
    key = _key(checkpoint, settings, device)
    with _lock:
        if key not in _known:
            stored = {} if folder is None else _read(folder)
            if key not in stored:
                stored[key] = probe.windows_agree(checkpoint, settings, device)
                if folder is not None:
                    _write(folder, stored)
            _known[key] = stored[key]
        return _known[key]


def describe_machine(device: str) -> tuple[object, ...]:
    """What decides how a device rounds: its model and the release of PyTorch."""
    on_gpu = torch.device(device).type == "cuda"
    model = torch.cuda.get_device_name(device) if on_gpu else (device, _processor())
    return model, torch.__version__


def _key(checkpoint: Checkpoint, settings: SamplerSettings, device: str) -> str:
    return fingerprint(
        checkpoint=checkpoint.fingerprint,
        sampler=replace(settings, noise_seed=0),  # values do not change the order of sums
        machine=describe_machine(device),
        threads=torch.get_num_threads(),
        version=version("overzoom"),
        engine=_engine_digest(),
    )


@cache
def _engine_digest() -> str:
    code = hashlib.sha256()
    for file in sorted(Path(engine.__file__).parent.rglob("*.py")):
        code.update(file.read_bytes())
    return code.hexdigest()


def _processor() -> tuple[str, ...]:
    """What PyTorch chooses its kernels by."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line, torch.backends.cpu.get_cpu_capability()
    return platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()


def _read(folder: Path) -> dict[str, bool]:
    """The stored results; empty if the file is corrupt."""
    try:
        stored = json.loads((folder / PROBES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(stored, dict):
        return {}
    return {key: value for key, value in stored.items() if isinstance(value, bool)}


def _write(folder: Path, stored: dict[str, bool]) -> None:
    """Store the latest results, atomically."""
    if not (folder / TAG).exists():
        return
    latest = dict([*stored.items()][-MAX_PROBES:])
    with suppress(OSError):
        write_whole(folder / PROBES, json.dumps(latest).encode())
