"""Kernel sets: blocks that only their own client's images are in."""

import pytest
import torch
from torch import nn

from fedleak.gradients.kernel_sets import KernelSetModule, KernelSets, kernel_sets
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of

SHAPE, ROWS = (2, 3, 3), 5


@pytest.fixture
def planted() -> tuple[KernelSetModule, KernelSets]:
    with seeded("kernel sets"):
        module = KernelSetModule(SHAPE, 3, ROWS, 10.0)
    found = kernel_sets(nn.Sequential(nn.Identity(), module))
    assert found is not None
    return module, found


def sent(module: KernelSetModule, own: int, factor: float = 8.0) -> nn.Sequential:
    """The network of whom block `own` is for, with rows that are wide awake for every image."""
    network = nn.Sequential(nn.Identity(), module)
    imprint = {
        "1.rows.weight": torch.rand(ROWS, 18, generator=generator("rows")),
        "1.rows.bias": torch.full((ROWS,), 0.01),
        "1.out.weight": torch.full((1, ROWS), 0.5),
    }
    network.load_state_dict({**network.state_dict(), **planted_as(network).planted(imprint, own, factor)})
    return network


def planted_as(network: nn.Module) -> KernelSets:
    found = kernel_sets(network)
    assert found is not None
    return found


def test_a_fresh_one_adds_nothing_and_any_shape_stays_what_it_is(planted) -> None:
    module, _ = planted
    images = torch.rand(4, *SHAPE, generator=generator("images"))
    assert torch.equal(module(images), images)
    assert torch.equal(module(images.flatten(1)), images.flatten(1))


def test_it_is_found_where_it_is(planted) -> None:
    _, found = planted
    assert (found.inside, found.sets, found.channels) == ("1.", 3, 2)
    assert kernel_sets(nn.Linear(2, 2)) is None


@pytest.mark.parametrize("own", range(3))
def test_gradients_of_a_client_are_in_its_block_alone(planted, own: int) -> None:
    module, found = planted
    network, images = sent(module, own), torch.rand(4, *SHAPE, generator=generator("images"))
    network(images).sum().backward()
    gradient = module.rows.weight.grad.double()
    for number in range(3):
        pixels, marks = found.block(gradient, number)
        assert bool(pixels.any()) is bool(marks.any()) is (number == own)
    pixels, marks = found.block(gradient, own)
    assert torch.allclose(pixels / marks[:, None], images.double().mean(0).flatten())  # all four woke each row


def test_a_mark_has_the_gradient_of_a_bias_times_the_factor(planted) -> None:
    module, found = planted
    network = sent(module, 1, 8.0)
    network(torch.rand(4, *SHAPE, generator=generator("images"))).sum().backward()
    _, marks = found.block(module.rows.weight.grad.double(), 1)
    assert torch.allclose(marks, 8.0 * module.rows.bias.grad.double())
    assert found.factor(weights_of(network)) == 8.0


def test_rows_see_the_same_whatever_the_factor_and_the_block(planted) -> None:
    module, _ = planted
    images = torch.rand(4, *SHAPE, generator=generator("images"))
    one = sent(module, 0, 1.0)(images)
    assert torch.allclose(sent(module, 2, 500.0)(images), one, atol=1e-5)
