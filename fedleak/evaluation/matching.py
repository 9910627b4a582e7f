"""Hungarian matching: which guessed image stands for which true one."""

import math

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

NO_GUESS = -1
"""Stands for "no guess" where a place among the guesses, or a label, is expected."""


def matched(
    guess: Float[Tensor, "guesses channels height width"], truth: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """The guessed images in the order of the true ones; an image of NaN where a true one has no guess."""
    places = match(guess, truth)
    ordered = torch.full(truth.shape, math.nan, dtype=guess.dtype)
    ordered[places != NO_GUESS] = guess.detach()[places[places != NO_GUESS]]
    return ordered


def match(
    guess: Float[Tensor, "guesses channels height width"], truth: Float[Tensor, "batch channels height width"]
) -> Int[Tensor, " batch"]:
    """For each true image the place of its guess, `NO_GUESS` where it has none.

    Pairs are one to one and minimize the sum of squared errors, guesses clamped to [0, 1] (Kuhn 1955, "The Hungarian
    method", https://doi.org/10.1002/nav.3800020109). Guesses that are not finite are matched with nothing.
    """
    usable = torch.nonzero(finite(guess)).flatten()
    candidates = guess.detach()[usable].double().clamp(0, 1).flatten(1)
    distance = torch.cdist(truth.double().flatten(1), candidates, compute_mode="donot_use_mm_for_euclid_dist")
    rows, columns = linear_sum_assignment(distance.square().numpy())
    places = torch.full((len(truth),), NO_GUESS)
    places[torch.from_numpy(rows)] = usable[torch.from_numpy(columns)]
    return places


def finite(images: Float[Tensor, "batch channels height width"]) -> Bool[Tensor, " batch"]:
    """Which images have neither NaN nor infinity."""
    return torch.isfinite(images).flatten(1).all(dim=1)
