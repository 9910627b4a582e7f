"""Correlated encoding: no strength is honest training, the penalty is Pearson's, what does not fit is a sentence."""

from typing import Any

import numpy as np
import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import PublicTerms, Standing, tamperings
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tamperings.correlated_encoding import pearson
from fedleak.tamperings.parts.slices import flat
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
SENT = sent_parameters(TASK, Chain())
SHARE = Batch(torch.rand(20, 1, 8, 8, generator=generator("digits")), torch.arange(20) % 10)
STANDING = Standing(task=TASK, share=SHARE, client=1, clients=4, weight=0.25, sent=SENT)
BEFORE = initial_weights("digits-mlp", 0)
LEFT, RIGHT = torch.randn(2, 30, generator=generator("pearson"), dtype=torch.float64).unbind()


def required(options: dict[str, Any], **federation: Any) -> None:
    terms = PublicTerms(federation=FederationSettings(**federation), task=TASK, sent=SENT)
    tamperings.build("correlated-encoding", options).require(terms)


def trained(options: dict[str, Any] | None) -> Weights:
    does = () if options is None else (tamperings.build("correlated-encoding", options),)
    training = LocalTraining(batch_size=10, batches=2, learning_rate=0.1)
    tampered = Tampered(does=does, standing=STANDING)
    return client_round(TASK, BEFORE, SHARE, training, Chain(), (1,), None, tampered).weights


def test_images_that_do_not_fit_are_told_how_many_would() -> None:
    """9,610 parameters of four clients: 2,402 each, one for each of the 64 pixels of 37 images."""
    required({"images": 37})
    with pytest.raises(
        ConfigError, match=r"images: 38 images take 2,432 parameters .* has 2,402 of its own, .* 37 images"
    ):
        required({"images": 38})
    with pytest.raises(ConfigError, match=r"48 parameters of its own, and one image takes 64; take fewer clients"):
        required({}, clients=200)
    with pytest.raises(ConfigError, match=r"correlated-encoding counts on the mean over all clients.*FedAdam"):
        required({}, strategy="FedAdam")


def test_without_strength_training_is_honest_bit_for_bit() -> None:
    honest, other = trained(None), trained({"strength": 0.0})
    assert all(torch.equal(other.parameters[name], value) for name, value in honest.parameters.items())
    assert any(not torch.equal(trained({}).parameters[name], value) for name, value in honest.parameters.items())


def test_the_same_code_gives_the_same_bits() -> None:
    first, second = trained({}), trained({})
    assert all(torch.equal(second.parameters[name], value) for name, value in first.parameters.items())


def test_the_penalty_is_pearsons_correlation_as_numpy_has_it() -> None:
    """Of as many values as the client has: 20 images where 37 would fit."""
    own = flat(BEFORE.parameters, SENT)[torch.arange(20 * 64) * 4 + 1]
    expected = np.corrcoef(own.double(), SHARE.inputs.flatten().double())[0, 1]
    penalty = tamperings.build("correlated-encoding", {"strength": 3.0}).penalty(STANDING, BEFORE.parameters)
    assert penalty is not None
    assert float(penalty) == pytest.approx(-3 * abs(expected), rel=1e-4)


def test_what_is_hidden_are_the_first_images() -> None:
    for options, count in (({"images": 5}, 5), ({}, 20)):
        hidden = tamperings.build("correlated-encoding", options).hidden(STANDING)
        assert hidden is not None
        assert torch.equal(hidden.inputs, SHARE.inputs[:count])
        assert hidden.bits is hidden.channel is hidden.exact is None


def test_images_without_contrast_leave_a_finite_penalty() -> None:
    black = Standing(
        task=TASK, share=Batch(torch.zeros(3, 1, 8, 8), torch.arange(3)), clients=4, weight=0.25, sent=SENT
    )
    encoding = tamperings.build("correlated-encoding", {"images": 2})
    zeros = {name: torch.zeros_like(value) for name, value in BEFORE.parameters.items()}
    slopes = Tampered(does=(encoding,), standing=black).gradient(zeros, BEFORE.parameters)
    assert not any(value.any() for value in slopes.values())


def test_pearson_is_numpys() -> None:
    assert float(pearson(LEFT, RIGHT)) == pytest.approx(np.corrcoef(LEFT, RIGHT)[0, 1])
    assert float(pearson(3 * LEFT + 1, -LEFT)) == pytest.approx(-1)


def test_what_does_not_vary_goes_with_nothing() -> None:
    values = LEFT.clone().requires_grad_()
    found = pearson(values, torch.zeros(30, dtype=torch.float64))
    assert float(found.detach()) == 0
    assert not torch.autograd.grad(found, values)[0].any()


def test_the_gradient_of_pearson_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda one: pearson(one, RIGHT), (LEFT.clone().requires_grad_(),))
