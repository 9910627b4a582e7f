"""Private answers: what a service says whose operator sees no requests, the first of it really computed so."""

from collections.abc import Callable
from copy import copy
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.private_inference import Cost, PrivateEvaluation, PrivateRecord
from fedleak.errors import FedleakError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

AGREED = 1e-2
"""How far a score may be from that of the same network in plain."""


class PrivateAnswers:
    """The answers of one model under a chain, and what those took that were really computed without being seen.

    The rest are what the same network says in plain. Keys and processes are made when the first is asked for.
    """

    def __init__(self, chain: Chain, task: Task, weights: Weights) -> None:
        self._defense = chain.hiding
        self._task = task
        self._weights = weights
        self._evaluation: PrivateEvaluation | None = None
        self._computed = 0
        self._costs: list[Cost] = []

    def of(self, weights: Weights) -> "PrivateAnswers":
        """Those of another version of the model, which is evaluated apart and noted together with this one."""
        other = copy(self)
        other._weights, other._evaluation, other._computed = weights, None, 0
        return other

    @property
    def cost(self) -> Cost:
        """Of all versions together."""
        return reduce(Cost.and_then, self._costs, Cost())

    @property
    def record(self) -> PrivateRecord | None:
        """What to keep beside the log; None where the operator sees all."""
        return None if self._defense is None else PrivateRecord(defense=self._defense.name, cost=self.cost)

    def said(
        self,
        inputs: Float[Tensor, "asked *shape"],
        plain: Float[Tensor, "asked classes"],
        as_probabilities: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "asked classes"]:
        """What the user reads, a row each; `plain` is what the model says.

        Raises `FedleakError` where a computed score is farther from the plain network's than they may differ.
        """
        if self._defense is None:
            return plain
        if self._evaluation is None:
            self._evaluation = self._defense.evaluation(self._task, self._weights)
        if self._evaluation is None or self._computed >= self._evaluation.most:
            return plain
        count = int(min(len(inputs), self._evaluation.most - self._computed))
        scores, cost = self._evaluation.scores(inputs[:count])
        with torch.no_grad():
            expected = self._task.logits(self._weights, inputs[:count], mode="eval").double()
        difference = float((scores - expected).abs().max())
        self._computed += count
        self._costs.append(cost.and_then(Cost(difference=difference)))
        if not difference <= AGREED:
            raise FedleakError(
                f"{self._defense.name}: a score came out {difference:.3g} off that of the same network in plain, at "
                f"most {AGREED:g} is expected; numbers grew too large or its precision is too low; train with "
                "smaller steps or raise the precision"
            )
        return torch.cat([as_probabilities(scores.to(plain.dtype)), plain[count:]])
