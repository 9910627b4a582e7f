"""Sign encoding: no strength is honest training, wrong signs alone are pushed, and what does not fit is a sentence."""

from typing import Any

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
from fedleak.tamperings.sign_encoding import wrong_by
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
SENT = sent_parameters(TASK, Chain())
SHARE = Batch((16 * torch.rand(60, 1, 8, 8, generator=generator("digits"))).round() / 16, torch.arange(60) % 10)
STANDING = Standing(task=TASK, share=SHARE, client=1, clients=4, weight=0.25, sent=SENT)
BEFORE = initial_weights("digits-mlp", 0)


def required(options: dict[str, Any], **federation: Any) -> None:
    terms = PublicTerms(federation=FederationSettings(**federation), task=TASK, sent=SENT)
    tamperings.build("sign-encoding", options).require(terms)


def trained(options: dict[str, Any] | None) -> Weights:
    does = () if options is None else (tamperings.build("sign-encoding", options),)
    training = LocalTraining(batch_size=10, batches=3, learning_rate=0.1)
    return client_round(
        TASK, BEFORE, SHARE, training, Chain(), (1,), None, Tampered(does=does, standing=STANDING)
    ).weights


def test_a_payload_that_does_not_fit_is_told_how_much_would() -> None:
    """9,610 parameters of four clients: 2,402 each, with a bit in each, are 300 bytes, 236 of them for data."""
    required({"images": 3})
    with pytest.raises(
        ConfigError, match=r"images: 4 images take 264 bytes for each client, and 236 bytes, which are 3"
    ):
        required({"images": 4})
    with pytest.raises(ConfigError, match=r"one image takes 72; take fewer clients or a larger"):
        required({}, clients=30)
    with pytest.raises(ConfigError, match=r"sign-encoding counts on the mean over all clients.*FedAdam"):
        required({}, strategy="FedAdam")


def test_without_strength_training_is_honest_bit_for_bit() -> None:
    honest, other = trained(None), trained({"strength": 0.0})
    assert all(torch.equal(other.parameters[name], value) for name, value in honest.parameters.items())
    assert any(not torch.equal(trained({}).parameters[name], value) for name, value in honest.parameters.items())


def test_the_same_code_gives_the_same_bits() -> None:
    first, second = trained({}), trained({})
    assert all(torch.equal(second.parameters[name], value) for name, value in first.parameters.items())


def test_wrong_signs_alone_are_pushed() -> None:
    values = torch.tensor([0.5, -0.5, 0.5, -0.5, 0.01], requires_grad=True)
    bits = torch.tensor([True, False, False, True, True])
    missed = wrong_by(values, bits, 0.02)
    assert float(missed.detach()) == pytest.approx(0.52 + 0.52 + 0.01)
    assert torch.autograd.grad(missed, values)[0].tolist() == [0, 0, 1, -1, -1]


def test_the_gradient_of_the_penalty_is_that_of_finite_differences() -> None:
    encoding = tamperings.build("sign-encoding", {"images": 1, "strength": 2.0})
    start = {name: value.double() for name, value in BEFORE.parameters.items()}
    first = next(iter(start))
    toward = torch.randn(start[first].shape, generator=generator("toward"), dtype=torch.float64)

    def penalty(step: float) -> torch.Tensor:
        found = encoding.penalty(STANDING, {**start, first: start[first] + step * toward})
        assert found is not None
        return found

    zeros = {name: torch.zeros_like(value) for name, value in start.items()}
    slope = Tampered(does=(encoding,), standing=STANDING).gradient(zeros, start)[first]
    assert float((slope * toward).sum()) == pytest.approx(float(penalty(1e-7) - penalty(-1e-7)) / 2e-7, rel=1e-5)
