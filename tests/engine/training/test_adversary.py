"""The discriminator learns, and pulls on the network as hard as it may."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.network.projection import pool
from engine.training.adversary import COMPARED_EVERY, GROWS_FOR, STARTS_AFTER, Adversary
from engine.training.settings import Stage, TrainingSettings


def batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Soft pictures as bands, true ones, and the data of both."""
    truth = torch.rand(2, 3, 32, 32, generator=generator)
    low = pool(pool(truth))
    soft = F.interpolate(low, scale_factor=4.0)
    return soft.requires_grad_(), truth, low


def gradients(
    adversary: Adversary, soft: Tensor, truth: Tensor, low: Tensor
) -> tuple[Tensor, Tensor]:
    """The discriminator's, and the other judges'."""
    others = 3 * ((soft - truth) ** 2).sum()
    loss = adversary.loss(soft, truth, low, soft, others)
    (ours,), (theirs,) = (
        torch.autograd.grad(term, soft, retain_graph=True) for term in (loss, others)
    )
    return ours, theirs


def test_it_pulls_by_its_share_towards_what_looks_true() -> None:
    torch.manual_seed(0)
    adversary, generator = Adversary(0.3, 3, "cpu"), torch.Generator().manual_seed(0)
    ours, _ = gradients(adversary, *batch(generator))
    assert not ours.any(), "nothing before the discriminator has learned"
    for _ in range(STARTS_AFTER + GROWS_FOR):
        gradients(adversary, *batch(generator))
    soft, truth, low = batch(generator)
    ours, theirs = gradients(adversary, soft, truth, low)
    assert 0.1 < float(ours.norm() / theirs.norm()) < 0.9
    data = F.interpolate(low, size=truth.shape[-2:], mode="bicubic")
    true, drawn = (adversary.discriminator(picture, data).mean() for picture in (truth, soft))
    assert true > drawn + 0.5
    nearer = soft - 0.05 * soft.norm() * ours / ours.norm()
    judged = adversary.discriminator(nearer, data).mean()
    assert judged > drawn, "its gradient leads to what it takes for true"


def test_it_learns_from_the_batch_and_leaves_the_network_alone_while_it_does() -> None:
    torch.manual_seed(0)
    adversary, generator = Adversary(0.3, 3, "cpu"), torch.Generator().manual_seed(0)
    soft, truth, low = batch(generator)
    before = {k: v.clone() for k, v in adversary.discriminator.state_dict().items()}
    adversary.loss(soft, truth, low, soft, (soft**2).sum())
    assert soft.grad is None
    after = adversary.discriminator.state_dict()
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    assert all(value.requires_grad for value in adversary.discriminator.parameters())


def test_its_weight_is_measured_now_and_then() -> None:
    torch.manual_seed(0)
    adversary, generator = Adversary(0.3, 3, "cpu"), torch.Generator().manual_seed(0)
    weights = []
    for _ in range(2 * COMPARED_EVERY + 1):
        gradients(adversary, *batch(generator))
        weights.append(adversary.weight)
    assert len(set(weights)) == 3


def test_it_judges_drawn_pictures_alone() -> None:
    for options in ({"stage": Stage.MEAN}, {"stage": Stage.TEXTURE, "perceptual_weight": 0.0}):
        with pytest.raises(ValueError, match="adversary_share needs stage texture"):
            TrainingSettings(adversary_share=0.3, **options)
