"""D-SNR: whether one example would dominate what a client sends."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.defense import defenses
from fedleak.contracts.received import Received
from fedleak.defenses.parts.model_check import MOST_EXAMPLES, UNBOUNDED, Finding, ModelCheck, greatest
from fedleak.errors import ConfigError
from fedleak.gradients.per_sample import example_gradients
from fedleak.learning.layers import batch_norms
from fedleak.learning.training import Step
from fedleak.settings.base import Amount
from fedleak.settings.federation import FederationSettings

AT_ONCE = 16
"""Examples whose gradients are held at a time."""


@defenses.register("d-snr")
@dataclass(frozen=True, kw_only=True)
class DSNR(ModelCheck):
    """Disaggregation signal-to-noise ratio: refuses a model under which one example's gradient drowns all others.

    Of each weight matrix the norm of the largest gradient of one example over the root of the sum of the others'
    squares; the greatest over matrices. It is of the client's own examples of the round, 256 at most, at the weights
    that it received, in eval mode under BatchNorm, which mixes examples. Small batches of honest training have high
    ones by themselves: of the honest rounds of a client that are described at `weight-watch`, 1 of 64 with batches of 4
    on `photos-convnet` is above the default, and none of the others. More training makes more of them.
    """

    paper: ClassVar = "https://arxiv.org/abs/2306.03013"
    cites: ClassVar = "garov2024hiding"
    by_examples: ClassVar[frozenset[str]] = frozenset({"ratio"})
    ratio: Amount = 5.0

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {"ratio": self.ratio}

    def planned(self, phases: tuple[FederationSettings, ...]) -> "DSNR":
        """Refuses a run whose rounds have one example each."""
        if all(phase.batches != "all" and phase.batch_size * phase.batches == 1 for phase in phases):
            raise ConfigError(
                f"'{self.name}' compares the examples of a round with each other, and a round of this run has one; set "
                "federation.batch_size = 2 or more"
            )
        return self

    def findings(self, received: Received) -> Mapping[str, Finding]:
        norms = _norms(received)
        if len(received.examples) < 2 or not norms:
            return {}
        ratios = {name: dominance(own) for name, own in norms.items()}
        return {"ratio": greatest(ratios, "one example of the client would dominate the gradient of '{}'")}


def dominance(norms: Float[Tensor, " examples"]) -> float:
    """The largest over the root of the sum of the others' squares; 0 where all are zero."""
    squares = norms.double().square().sort(descending=True).values
    first, rest = float(squares[0]), float(squares[1:].sum())
    return math.sqrt(first / rest) if rest else UNBOUNDED * (first > 0)


def _norms(received: Received) -> dict[str, Float[Tensor, " examples"]]:
    """By weight matrix, of each example's gradient."""
    found: dict[str, list[Tensor]] = {}
    for chunk in _chunks(received):
        for name, gradients in example_gradients(chunk).items():
            if gradients.dim() > 2:
                found.setdefault(name, []).append(gradients.flatten(1).norm(dim=1))
    return {name: torch.cat(norms) for name, norms in found.items()}


def _chunks(received: Received) -> Iterator[Step]:
    mode = "eval" if batch_norms(received.task.network) else received.training.mode or "train"
    places = torch.arange(min(len(received.examples), MOST_EXAMPLES))
    for chosen in torch.split(places, AT_ONCE):
        yield Step(task=received.task, weights=received.weights.clone(), examples=received.examples[chosen], mode=mode)
