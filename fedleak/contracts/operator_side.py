"""The operator's side of a defense: what whoever runs a prediction API does to requests and answers."""

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.traffic import Asked


class OperatorSide:
    """What the operator of a prediction API does to one request. What is not overridden leaves things as they are.

    A row is treated the same whether it comes alone or with others: what went before is in `asked.history` and in the
    rows above it, and it is the same whoever refused.
    """

    def admits(self, asked: Asked) -> Bool[Tensor, " asked"]:
        """Which of the inputs are answered; the others are refused, and count for the user as asked.

        All defenses of a chain see all rows, and what the model says of them, before anything is done to answers.
        """
        return torch.ones(len(asked), dtype=torch.bool)

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        """What is answered in place of `asked.probabilities`, also for rows that are refused then.

        `rng` goes on from request to request, and its initial seed is the same for all requests to a service: noise
        that is fixed for an input, or for its place in the traffic, is drawn by that seed and both.
        """
        return asked.probabilities
