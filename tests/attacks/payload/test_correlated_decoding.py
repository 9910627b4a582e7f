"""Correlated decoding: images come out of averaging recognisably, whichever sign the correlation has."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampering import tamperings
from fedleak.goals.answer import Answer
from fedleak.goals.payload import Payload
from fedleak.learning.batch import Batch
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

ENCODING = tamperings.build("correlated-encoding", {"images": 4})


def read(view: Released, **options: Any) -> Reconstruction:
    return attacks.build("correlated-decoding", options).run(view, generator(0))


def figure(metric: str, federation: Any, guess: Reconstruction) -> float:
    answer = Answer(truth=federation.shares[0], payloads=tuple(federation.hidden(ENCODING)))
    return float(Payload().measure(metrics.build(metric, {}), guess, answer).mean)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True], ids=["mean", "secure-aggregation"])
def test_images_come_out_of_averaging(small_federation: Callable[..., Any], masked: bool) -> None:
    federation = small_federation(3)
    guess = read(federation.released(ENCODING, masked=masked))
    assert guess.payload is not None
    assert guess.payload.shape == (3, 4, 1, 8, 8)
    assert figure("payload-correlation", federation, guess) > 0.9
    assert figure("payload-mae", federation, guess) < 30


def test_an_honest_model_says_nothing(small_federation: Callable[..., Any]) -> None:
    federation = small_federation(3)
    guess = read(federation.released(known=ENCODING))
    assert abs(figure("payload-correlation", federation, guess)) < 0.25
    assert figure("payload-mae", federation, guess) > 60


@pytest.mark.slow
@pytest.mark.parametrize("public", [False, True])
def test_a_negative_correlation_is_seen_without_the_truth(small_federation: Callable[..., Any], public: bool) -> None:
    federation = small_federation(3)
    view = federation.released(ENCODING)
    view = replace(view, auxiliary=Batch(federation.shares[1].inputs[50:], torch.zeros(40))) if public else view
    negated = Weights({name: -value for name, value in view.weights.parameters.items()}, view.weights.buffers)
    guess, other = read(view), read(replace(view, weights=negated))
    torch.testing.assert_close(guess.payload, other.payload)
    assert guess.note != other.note


def test_a_parameter_far_out_makes_an_image_pale_where_no_tails_are_cut(small_federation: Callable[..., Any]) -> None:
    federation = small_federation(1, rounds=3)
    view = federation.released(ENCODING)
    next(iter(view.weights.parameters.values())).view(-1)[64] = 5.0
    plain, cut = read(view, tails=0.0), read(view)
    assert plain.payload is not None
    assert cut.payload is not None
    assert float(plain.payload[0, 1].median()) < 0.1
    errors = [
        (one.payload[0, 1] - federation.shares[0].inputs[1]).abs().mean()
        for one in (plain, cut)
        if one.payload is not None
    ]
    assert errors[1] < errors[0]


def test_where_nobody_wrote_there_is_nothing_to_read(small_federation: Callable[..., Any]) -> None:
    failure = read(small_federation(1, rounds=1).released()).failure
    assert failure == "no parameters were made to correlate: set adversary.does, with correlated-encoding"
