"""Public prior: an orthonormal basis, and expectations between what is seen and what is usual."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedleak.attacks.parts.public_prior import PublicPrior, Seen
from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


@pytest.fixture
def observation(linear_task, observe, batch_of) -> Observation:
    return replace(
        observe(linear_task, batch_of(linear_task, 1)), auxiliary=Batch(smooth(200, "public"), torch.zeros(200).long())
    )


def smooth(count: int, seed: object) -> Tensor:
    """Images that are brighter to one side."""
    slopes = torch.rand(count, 3, 1, 1, generator=generator("smooth", seed))
    down, right = torch.linspace(0, 1, 6)[:, None], torch.linspace(0, 1, 6)[None]
    return ((slopes[:, :1] + slopes[:, 1:2] * down + slopes[:, 2:] * right) / 3).reshape(count, 1, 6, 6)


def seen_of(images: Tensor, noise: float, factor: float = 2.0) -> Seen:
    rng, values = generator("noise", noise), images.flatten(1).double()
    size = torch.full((len(values),), noise).double()
    return Seen(
        weight=factor * values + noise * torch.randn(values.shape, generator=rng).double(),
        bias=factor + noise * torch.randn(len(values), generator=rng).double(),
        noise=size,
        bias_noise=size,
    )


def error(guess: Tensor, images: Tensor) -> float:
    return float((guess - images.flatten(1).double()).square().mean())


def test_coefficients_are_an_orthonormal_basis(observation: Observation) -> None:
    prior, images = PublicPrior.of(observation), smooth(5, "private").flatten(1).double()
    found = prior.coefficients(images)
    assert torch.allclose(found.norm(dim=1), images.norm(dim=1))
    assert torch.allclose(prior.inputs(found), images)


def test_what_is_expected_is_what_is_seen_without_noise_and_what_is_usual_without_a_sight(
    observation: Observation,
) -> None:
    prior, images = PublicPrior.of(observation), smooth(20, "private")
    usual = prior.inputs(prior.mean[None]).expand(20, -1)
    assert error(prior.expected(seen_of(images, 1e-6)), images) < 1e-9
    assert error(prior.expected(seen_of(images, 100.0)), images) < 1.5 * error(usual, images)
    some = seen_of(images, 0.3)
    quotient = some.weight / some.bias[:, None]
    assert error(prior.expected(some), images) < min(error(quotient, images), error(usual, images)) / 2


def test_an_example_is_likelier_than_noise_and_noise_is_not(observation: Observation) -> None:
    prior = PublicPrior.of(observation)
    assert (prior.evidence(seen_of(smooth(20, "private"), 0.1)) > 10).all()
    assert (prior.evidence(seen_of(torch.zeros(20, 1, 6, 6), 0.1, 0.0)) < 5).all()


def test_missing_values_are_filled_in_within_bounds_and_known_ones_stay(observation: Observation) -> None:
    prior, images = PublicPrior.of(observation), smooth(10, "private").flatten(1).double()
    known = torch.rand(images.shape, generator=generator("known")) < 0.5
    low, high = torch.zeros_like(images), torch.full_like(images, 0.4)
    found = prior.filled(torch.where(known, images, 0.0), known, low, torch.ones_like(images))
    assert torch.equal(found[known], images[known])
    assert error(found, images) < 1e-3
    assert prior.filled(torch.where(known, images, 0.0), known, low, high)[~known].max() <= 0.4


def test_without_public_examples_each_value_is_anything_in_its_range(linear_task, observe, batch_of) -> None:
    alone = observe(linear_task, batch_of(linear_task, 1))
    prior = PublicPrior.of(alone)
    assert torch.allclose(prior.variance, torch.full((36,), 1 / 12).double())
    images = torch.rand(3, 1, 6, 6, generator=generator(1))
    assert error(prior.expected(seen_of(images, 1e-6)), images) < 1e-9
