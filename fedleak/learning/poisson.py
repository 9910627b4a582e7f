"""Poisson sampling: each step takes each example of a share with the same chance, whichever others it takes.

The law is that of Opacus' `UniformWithReplacementSampler`. It is drawn in two parts, as what is kept of a round are the
examples that some step took: first who is in any step at all, then in which, given that it is in one.
"""

import math

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.learning.facts import LocalTraining


def taken_at_all(held: int, training: LocalTraining, rng: Generator) -> Int[Tensor, " taken"]:
    """Which of a share some step of a round takes; maybe none."""
    return torch.nonzero(torch.rand(held, generator=rng, dtype=torch.float64) < _chance(training)).flatten()


def poisson_batches(examples: int, training: LocalTraining, rng: Generator) -> list[Int[Tensor, " batch"]]:
    """The batches of a round, some maybe empty, over examples each of which is known to be in one of them.

    The first that an example is in is geometric, cut off after the last; it is in those after it by a coin each. No
    batches, and nothing is drawn, where there is no rate.
    """
    if not training.sampling_rate:
        return []
    assert training.passes is not None
    shares = torch.rand(examples, generator=rng, dtype=torch.float64) * _chance(training)
    first = (torch.log1p(-shares) / _log_missed(training.sampling_rate)).long().clamp(max=training.passes - 1)
    place = torch.arange(training.passes)[:, None]
    again = torch.rand(training.passes, examples, generator=rng, dtype=torch.float64) < training.sampling_rate
    return [torch.nonzero(one).flatten() for one in (place == first) | ((place > first) & again)]


def expected_examples(training: LocalTraining) -> int:
    """How many examples a round takes of a share of `batch_size / sampling_rate`, at least 1: what clients report."""
    assert training.batch_size is not None
    return max(round(training.batch_size / training.sampling_rate * _chance(training)), 1)


def reported_examples(examples: int, training: LocalTraining) -> int:
    """How many examples a client says that it trained on: of Poisson samples, whose size is a secret, the expected."""
    return expected_examples(training) if training.sampling_rate else examples


def _chance(training: LocalTraining) -> float:
    """Of an example to be in some batch of a round."""
    assert training.passes is not None
    return -math.expm1(training.passes * _log_missed(training.sampling_rate))


def _log_missed(rate: float) -> float:
    """The logarithm of the chance not to be in a batch."""
    return math.log1p(-rate) if rate < 1 else -math.inf
