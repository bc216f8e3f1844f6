"""Parameters of SPAN x4 by the names of the challenge's file."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.network.span import WIDTH


def span_parameters() -> dict[str, Tensor]:
    """Parameters by the challenge's names, all zero."""
    blocks = [f"block_{n}.c{k}_r.eval_conv" for n in range(1, 7) for k in range(1, 4)]
    shapes = dict.fromkeys((*blocks, "conv_2.eval_conv"), (WIDTH, WIDTH, 3, 3))
    shapes |= {"conv_1.eval_conv": (WIDTH, 3, 3, 3), "conv_cat": (WIDTH, 4 * WIDTH, 1, 1)}
    shapes |= {"upsampler.0": (48, WIDTH, 3, 3)}
    found = {f"{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    return found | {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
