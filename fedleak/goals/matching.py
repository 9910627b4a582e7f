"""Hungarian matching: which guessed example stands for which true one."""

import math

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fedleak.learning.batch import Batch

NO_GUESS = -1
"""Stands for "no guess" where a place among the guesses, or a label, is expected."""


def matched(guess: Float[Tensor, "guesses *shape"], truth: Batch) -> Float[Tensor, "batch *shape"]:
    """The guessed examples in the order of the true ones; one of NaN where a true one has no guess."""
    places = match(guess, truth)
    ordered = torch.full(truth.inputs.shape, math.nan, dtype=guess.dtype)
    ordered[places != NO_GUESS] = guess.detach()[places[places != NO_GUESS]]
    return ordered


def match(guess: Float[Tensor, "guesses *shape"], truth: Batch) -> Int[Tensor, " batch"]:
    """For each true example the place of its guess, `NO_GUESS` where it has none.

    Pairs are one to one and minimize the sum of the distances of their space, which of images are squared errors with
    guesses clamped to [0, 1] (Kuhn 1955, "The Hungarian method", https://doi.org/10.1002/nav.3800020109). Guesses that
    are not finite are matched with nothing.
    """
    usable = torch.nonzero(finite(guess)).flatten()
    distances = truth.space.distances(guess.detach()[usable].double(), truth.inputs.double())
    rows, columns = linear_sum_assignment(distances.numpy())
    places = torch.full((len(truth),), NO_GUESS)
    places[torch.from_numpy(rows)] = usable[torch.from_numpy(columns)]
    return places


def finite(examples: Float[Tensor, "batch *shape"]) -> Bool[Tensor, " batch"]:
    """Which examples have neither NaN nor infinity."""
    return torch.isfinite(examples).flatten(1).all(dim=1)
