"""Linear spaces: orthonormal patterns about a mean."""

import pytest
import torch

from fedleak.attacks.parts.generators.linear import fit_cosines, fit_principal_components
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import Images
from fedleak.randomness import generator

SPACE = Images(2, 6, 5)


@pytest.fixture
def public() -> Batch:
    rng = generator("public")
    inputs = (0.5 + 0.08 * torch.randn(50, *SPACE.shape, generator=rng)).clamp(0, 1)
    return Batch(inputs, torch.zeros(50, dtype=torch.int64))


@pytest.mark.parametrize("basis", ["components", "cosines"])
def test_all_patterns_together_give_every_image_back(basis, public):
    whole = fit_principal_components(public, 1000) if basis == "components" else fit_cosines(public, SPACE, 1000)
    assert torch.allclose(whole.patterns @ whole.patterns.T, torch.eye(whole.dimensions), atol=1e-4)
    assert torch.allclose(whole.decode(whole.encode(public.inputs)), public.inputs, atol=1e-4)
    assert torch.allclose(whole.encode(public.inputs).std(0), whole.scale, rtol=1e-2)


def test_components_come_by_their_spread_and_as_many_as_hold_a_share_of_it(public):
    whole = fit_principal_components(public, 1000)
    assert (whole.scale.diff() <= 0).all()
    half = fit_principal_components(public, 1000, 0.5)
    held = whole.scale.square().cumsum(0) / whole.scale.square().sum()
    assert held[half.dimensions - 1] >= 0.5 > held[half.dimensions - 2]
    assert fit_principal_components(public, 3, 0.5).dimensions == 3


def test_cosines_come_by_their_frequency_and_the_first_is_flat(public):
    space = fit_cosines(None, SPACE, 4)
    flat = space.patterns[:2].view(2, *SPACE.shape)
    assert torch.allclose(flat.flatten(2).std(2), torch.zeros(2, 2), atol=1e-6)
    assert (space.scale.diff() <= 1e-6).all()
    assert torch.allclose(space.decode(torch.zeros(1, 4)), torch.full((1, *SPACE.shape), 0.5))


def test_what_is_decoded_is_in_the_range_and_can_be_differentiated(public):
    space = fit_principal_components(public, 8)
    far = (100 * torch.ones(1, 8)).requires_grad_()
    assert space.decode(far).min() >= 0
    assert space.decode(far).max() <= 1
    near = torch.zeros(1, 8).requires_grad_()
    space.decode(near).sum().backward()
    assert near.grad.any()


def test_too_few_public_images_are_said(public):
    with pytest.raises(NotApplicable, match="at least 20, and there are 3"):
        fit_principal_components(public[torch.arange(3)], 4)
