"""Payload: bits that nobody says are half right, examples that are missing are counted, one guess stands for all."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.goals.answer import Answer
from fedleak.goals.payload import Payload
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.randomness import generator

GOAL = Payload()
IMAGES = torch.rand(3, 1, 8, 8, generator=generator("hidden"))
TRUTH = Batch(IMAGES, torch.arange(3))
BITS = torch.tensor([True, False, False, True])
HIDDEN = (
    Hidden(inputs=IMAGES[:2], exact=IMAGES[:2].round(), bits=BITS, channel=BITS),
    Hidden(inputs=IMAGES[2:], exact=IMAGES[2:].round(), bits=BITS[:2], channel=BITS[:2]),
)
ANSWER = Answer(truth=TRUTH, payloads=HIDDEN)
NOTHING = torch.full((2, 2, 1, 8, 8), math.nan)


def figures(metric: str, **guess: Any) -> tuple[float, ...]:
    made = replace(Reconstruction(payload=NOTHING), **guess)
    return GOAL.measure(metrics.build(metric, {}), made, ANSWER).per_sample


def test_bits_of_which_nothing_is_said_are_half_right() -> None:
    assert figures("payload-bits") == (0.5, 0.5)
    said = torch.tensor([[1.0, 1.0, math.nan, math.nan], [1.0, 0.0, 1.0, 1.0]])
    assert figures("payload-bits", payload_bits=said) == (0.5, 1.0)
    assert figures("channel-bits", payload_channel=said[[0, 0], :3]) == (0.5, 0.5)


def test_a_missing_example_is_none_that_came_back() -> None:
    read = NOTHING.clone()
    read[0, 0], read[1, 0] = IMAGES[0].round(), IMAGES[2]
    assert figures("payload-images", payload=read) == (1.0, 0.0, 0.0)
    mae = figures("payload-mae", payload=read)
    assert math.isnan(mae[1])
    assert mae[0] == pytest.approx(255 * float((IMAGES[0] - IMAGES[0].round()).abs().mean()))
    assert mae[2] == 0.0


def test_one_guess_stands_for_all() -> None:
    grey = torch.full((1, 1, 1, 8, 8), 0.5)
    expected = [255 * float((image - 0.5).abs().mean()) for image in IMAGES]
    assert figures("payload-mae", payload=grey) == pytest.approx(tuple(expected))


def test_where_nothing_was_hidden_there_is_no_figure() -> None:
    for metric in ("payload-bits", "payload-images"):
        measured = GOAL.measure(metrics.build(metric, {}), Reconstruction(payload=NOTHING), Answer(truth=TRUTH))
        assert not measured.fits
        assert measured.reason is not None


def test_examples_alone_have_no_bits() -> None:
    """As where values are written into parameters as they are."""
    answer = Answer(truth=TRUTH, payloads=(Hidden(inputs=IMAGES),))
    guess = Reconstruction(payload=IMAGES[None])
    assert not GOAL.measure(metrics.build("payload-bits", {}), guess, answer).fits
    assert not GOAL.measure(metrics.build("payload-images", {}), guess, answer).fits
    assert GOAL.measure(metrics.build("payload-psnr", {}), guess, answer).mean == 100.0


def test_another_shape_is_a_sentence() -> None:
    measured = GOAL.measure(metrics.build("payload-mae", {}), Reconstruction(payload=torch.zeros(1, 1, 4)), ANSWER)
    assert measured.reason == "the attack reads examples of shape (4,) where (1, 8, 8) was hidden"
