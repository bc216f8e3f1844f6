"""How overlapping patches become one state (SR3/InfScene-SR, arXiv:2602.19736; GVCF, 2412.12771).

With y_i = mu_i + s eps_i the next state that patch i proposes, w_i its weight, W = sum w_i and
S = sqrt(sum w_i^2):

    average   sum (w_i/W) y_i                             variance falls where patches overlap
    vcf       (W/S) ybar + (1 - W/S) mubar                needs all patches at once
    sdvc      sum [(w_i/S) y_i + (1 - W/S)(w_i/W) mu_i]   needs one patch at a time

ybar and mubar are the weighted means sum (w_i/W) y_i and sum (w_i/W) mu_i. vcf and sdvc have the
right mean and variance.

`independent` fuses nothing: every patch is denoised alone and pasted (seams; the baseline).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.sampling.lattice import Blend, Profile
from engine.sampling.settings import Fusion


def contribution(rule: Fusion, mean: Tensor, proposal: Tensor, blend: Blend) -> Tensor:
    """What one patch adds to the sum from which `fused` makes the state, over its own support.

    mean is mu_i and proposal y_i, (C, H, W). (C, H, W), or (2C, H, W) for vcf, which must keep
    both weighted sums apart until every patch is there.
    """
    weight, total, root = _map(blend.weight, mean), _map(blend.total, mean), _map(blend.root, mean)
    if rule is Fusion.AVERAGE:
        return proposal * (weight / total)
    if rule is Fusion.SDVC:
        return proposal * (weight / root) + mean * ((1 - total / root) * (weight / total))
    if rule is Fusion.VCF:
        return torch.cat((proposal * weight, mean * weight))
    raise ValueError(f"{rule} has no contributions: its patches never meet")


def fused(rule: Fusion, summed: Tensor, total: Tensor, root: Tensor) -> Tensor:
    """The state from the sum of all contributions; total and root are W and S, (H, W)."""
    if rule is not Fusion.VCF:
        return summed
    proposal, mean = (part / total for part in summed.chunk(2))
    return proposal * (total / root) + mean * (1 - total / root)


def _map(profiles: tuple[Profile, Profile], like: Tensor) -> Tensor:
    rows, cols = (torch.from_numpy(profile).to(like) for profile in profiles)
    return rows[:, None] * cols
