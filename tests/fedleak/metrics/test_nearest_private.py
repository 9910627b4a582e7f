"""Nearest private: a copy of an example is nearer than any real one, and far noise than none."""

import math

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import SPACED, Subject, no_judges
from fedleak.goals.representatives import RepresentativeMetric
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def value(guess: torch.Tensor, examples: torch.Tensor) -> float:
    metric = metrics.build("nearest-private", {})
    assert isinstance(metric, RepresentativeMetric)
    private = Batch(examples, torch.zeros(len(examples), dtype=torch.int64))
    own = Subject(label=0, private=private, blind=examples[:0], known=False, judges=no_judges)
    return metric.per_class(guess, own)


def test_it_is_the_share_of_real_examples_that_are_farther_from_their_like() -> None:
    grays = torch.tensor([0.0, 0.1, 0.3, 0.7])[:, None, None, None].expand(4, 1, 2, 2)  # .1, .1, .2 and .4 apart
    for gray, farther in ((0.05, 4), (0.85, 2), (0.95, 1), (1.0, 1)):  # .05, .15, .25 and .3 from the nearest
        assert value(torch.full((1, 2, 2), gray), grays) == farther / 4


def test_a_copy_is_nearer_than_all_and_noise_beyond_the_range_is_clamped_to_it() -> None:
    examples = 0.2 + 0.1 * torch.rand(8, 1, 6, 6, generator=generator("examples"))
    assert value(examples[3], examples) == 1
    assert value(torch.ones(1, 6, 6), examples) == value(torch.full((1, 6, 6), 7.0), examples) == 0


def test_a_single_private_example_has_no_like() -> None:
    assert math.isnan(value(torch.zeros(1, 6, 6), torch.ones(1, 1, 6, 6)))


@pytest.mark.parametrize("count", [2, SPACED + 3])
def test_the_spacing_agrees_with_the_definition_on_the_first_examples(count: int) -> None:
    examples = torch.rand(count, 1, 2, 2, generator=generator("many", count))
    private = Batch(examples, torch.zeros(count, dtype=torch.int64))
    own = Subject(label=0, private=private, blind=examples[:0], known=False, judges=no_judges)
    flat = examples.double().flatten(1)
    errors = (flat[:, None] - flat[None]).square().mean(2).fill_diagonal_(math.inf)
    assert torch.allclose(own.spacing, errors[:SPACED].amin(1))
