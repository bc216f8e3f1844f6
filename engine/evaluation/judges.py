"""Measures without learned parameters, that no network is trained on, from the package `piq`.

HaarPSI  Haar wavelets (Reisenhofer et al., arXiv:1607.06140)
FSIM     phase congruency and gradients, with colour (Zhang et al. 2011)
VIFp     preserved information, in the pixel domain (Sheikh and Bovik 2006)
MDSI     how unevenly gradients and colours differ (Nafchi et al., arXiv:1608.07433)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from math import nan
from typing import NamedTuple

from torch import Tensor

from engine.errors import EvaluationError

Measure = Callable[[Tensor, Tensor], Tensor]
MIN_PX = 41
"""VIFp's windows do not fit into smaller pictures."""


class Judgement(NamedTuple):
    """The measures of one picture."""

    haarpsi: float
    fsim: float
    vifp: float
    mdsi: float


def judge(picture: Tensor, truth: Tensor) -> Judgement:
    """Compare a picture (3, H, W) in [0, 1] with the truth; NaN below MIN_PX a side.

    Raises EvaluationError where piq is not installed.
    """
    if min(truth.shape[-2:]) < MIN_PX:
        return Judgement(nan, nan, nan, nan)
    return Judgement(*(float(measure(picture[None], truth[None])) for measure in _measures()))


@cache
def _measures() -> tuple[Measure, ...]:
    """The functions of piq, from modules of their own.

    Importing the package itself would import its learned metrics and torchvision, which are not
    needed: so its __init__ is not executed.
    """
    spec = find_spec("piq")
    if spec is None:
        raise EvaluationError(
            "the judges need the package piq: pip install --no-deps piq "
            "--constraint deploy/constraints.txt"
        )
    sys.modules.setdefault("piq", module_from_spec(spec))
    places = (("haarpsi", "haarpsi"), ("fsim", "fsim"), ("vif", "vif_p"), ("mdsi", "mdsi"))
    return tuple(getattr(import_module(f"piq.{module}"), name) for module, name in places)
