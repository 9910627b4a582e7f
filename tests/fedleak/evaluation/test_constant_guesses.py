"""The best blind guess is at least as good as any constant of its dictionary, and few trials say little."""

import torch

from fedleak.contracts.metric import metrics
from fedleak.data.splits import Splits
from fedleak.evaluation.constant_guesses import UNKNOWN, BlindSuccess, blind_success
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

PSNR, SSIM = (metrics.build(name, {}) for name in ("psnr", "ssim"))


def flat(count: int, seed: int) -> Batch:
    """Every third image is nearly gray, the others are noise."""
    rng = generator("flat", seed)
    images = torch.rand(count, 1, 6, 6, generator=rng)
    images[::3] = 0.5 + 0.02 * (images[::3] - 0.5)
    return Batch(images, torch.arange(count) % 2)


def test_the_best_constant_is_found():
    splits = Splits(clients=flat(3, 0), test=flat(90, 1), auxiliary=flat(60, 2))
    found = blind_success(PSNR, splits, 30.0)
    assert (found.hits, found.trials) == (30, 90)
    assert found.share < found.at_most < 0.6


def test_what_was_chosen_as_the_best_of_many_has_a_wider_limit():
    alone, best = (BlindSuccess(hits=2, trials=100, constants=count) for count in (1, 100))
    assert 0.02 < alone.at_most < best.at_most


def test_nothing_tried_is_nothing_known():
    assert UNKNOWN.share != UNKNOWN.share
    assert UNKNOWN.at_most == 1.0
    tiny = Batch(torch.rand(5, 1, 4, 4, generator=generator("tiny")), torch.zeros(5, dtype=torch.int64))
    assert blind_success(SSIM, Splits(clients=tiny, test=tiny, auxiliary=tiny), 0.5) is UNKNOWN
