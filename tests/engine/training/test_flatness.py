"""The mean's pattern on flat ground, and what taking it off leaves."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.network.local import LocalDenoiser, NetworkConfig
from engine.training.flatness import level_flat_ground

SIDE = 64


def make_network() -> LocalDenoiser:
    """An untrained network, whose mean is a pattern everywhere."""
    torch.manual_seed(0)
    network = LocalDenoiser(NetworkConfig(width=16, encoder_blocks=1, denoiser_blocks=1))
    torch.nn.init.normal_(network.mean.weight, std=0.05)
    torch.nn.init.normal_(network.mean.bias, std=0.05)  # type: ignore[arg-type]  # bias=True by default
    return network


def make_ground(batch: int = 4, side: int = SIDE) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def flat(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour)[None, :, None, None].expand(1, 3, SIDE, SIDE)


def test_the_pattern_on_flat_ground_goes_and_the_rest_of_the_mean_stays() -> None:
    network, ground = make_network(), make_ground()
    levelled = level_flat_ground(network, ground)
    with torch.no_grad():
        for colour in ((0.1, 0.2, 0.15), (0.6, 0.6, 0.6), (0.3, 0.5, 0.2)):
            before, after = (one.encode(flat(colour)).mean for one in (network, levelled))
            assert after.abs().max() < before.abs().max() / 10
        before, after = (one.encode(make_ground(2)).mean for one in (network, levelled))
        assert (after - before).square().mean() < before.var() / 2


def test_the_network_it_is_taken_from_and_the_other_parts_are_left_as_they_are() -> None:
    network = make_network()
    network.pad(True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    levelled = level_flat_ground(network, make_ground())
    assert levelled.padded
    for name, value in levelled.state_dict().items():
        assert torch.equal(network.state_dict()[name], before[name])
        assert torch.equal(value, before[name]) == (not name.startswith("mean."))


def test_ground_within_the_reach_of_the_encoder_changes_nothing() -> None:
    network = make_network()
    levelled = level_flat_ground(network, make_ground(side=16))
    assert torch.equal(levelled.mean.weight, network.mean.weight)
