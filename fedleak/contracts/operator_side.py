"""The operator's side of a defense: what whoever runs a prediction API does to requests and answers."""

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.private_inference import PrivateEvaluation
from fedleak.contracts.traffic import Asked
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights


class OperatorSide:
    """What an operator does to a model before it leaves, and to one request to a prediction API.

    What is not overridden leaves things as they are. A row of a request is treated the same whether it comes alone or
    with others: what went before is in `asked.history` and in the rows above it, and it is the same whoever refused.
    """

    def release(self, task: Task, weights: Weights, public: Batch | None, rng: Generator) -> Weights:
        """The weights that leave the federation in place of those that training ended with.

        `public` is what the operator has of public data, None where there is none. The weights that are given are not
        changed; the federation itself goes on from them.
        """
        return weights

    def evaluation(self, task: Task, weights: Weights) -> PrivateEvaluation | None:
        """A model in the hands of operators who do not see what they compute; None: the operator computes in plain.

        `task` is the transformed one.
        """
        return None

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
