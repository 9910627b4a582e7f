"""Answers to questions about an update that were not got from it."""

import torch
from jaxtyping import Float
from scipy.special import bdtrc
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.properties import CATALOGUE, of_each


def no_preference(observation: Observation) -> Float[Tensor, " candidates"] | None:
    """The same score for each candidate: scored by ties, that is what scores drawn at random get in the mean."""
    return None if observation.candidates is None else torch.zeros(len(observation.candidates))


def public_majority(observation: Observation) -> Float[Tensor, " properties"]:
    """For each property how probable it is that most of so many examples have it, if they are like public ones.

    The number that have it is binomial. Without public data each is as probable in an example as not.
    """
    public = observation.auxiliary
    share = torch.full((len(CATALOGUE),), 0.5)
    if public is not None and len(public):
        share = of_each(public.inputs).mean(0)
    examples = observation.examples()
    return torch.tensor([bdtrc(examples // 2, examples, float(one)) for one in share])
