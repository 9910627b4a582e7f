"""Model inconsistency: one client trains a model, and all others one that says nothing of their examples."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Isolation, Manipulation, ServerTerms, manipulations, planted
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Count

from .parts.rectified import Rectified, rectified_layers, silent_entries, silent_parameters

SPEAKING = 2
"""Parameters that may have a gradient still: the last layer's bias, which nothing silences, and its weight where the
activation in front of it is not 0 at 0."""


@manipulations.register("inconsistency")
@dataclass(frozen=True, kw_only=True)
class Inconsistency(Manipulation):
    """Model inconsistency: all clients but one are sent a model with dead ReLUs, so that a sum is the victim's part.

    A unit whose weights are 0 and whose bias is -1 is dead on every input. With the last hidden layer dead, as in
    "dead-layer", a client's gradient is zero but for the last layer's bias; so it is where all weights are 0, as in
    "gradient-suppression" (the authors' demonstration), which needs no ReLU. With some units of the first layer dead,
    as in "canary", only what the victim says of these stands alone, and the others go on training: the paper's second
    attack on one layer, without the detector that makes the unit fire for one record.

    The victim trains what an honest server sends. The sum opens where its masks are not bound to the model. In a round
    that the victim is not part of, everybody is sent the honest model. Noise that clients add is that of all.
    """

    paper: ClassVar = "https://arxiv.org/abs/2111.07380"
    cites: ClassVar = "pasquini2022eluding"
    deed: ClassVar = "sends one client the model, and all others one that says nothing of their examples"
    takes: ClassVar = "that clients do not compare the models that they are sent"
    sends_alike: ClassVar = False
    victim: Annotated[int, Field(ge=0)] = 0
    """The client whose part of the sum is wanted."""
    form: Literal["dead-layer", "gradient-suppression", "canary"] = "dead-layer"
    """What the others are sent."""
    units: Count = 1
    """Of a canary: how many units of the first layer are dead, those that fire most on a flat input in the middle of
    the range."""

    def require(self, terms: ServerTerms) -> None:
        federation, task = terms.federation, terms.task
        if self.victim >= federation.clients:
            raise ConfigError(
                f"the victim of '{self.name}' is client {self.victim}, and there are {federation.clients}, counted "
                "from 0; name one of these"
            )
        if federation.weight_decay and self.form != "gradient-suppression":
            raise ConfigError(
                f"'{self.name}' needs weights that nothing moves but gradients, and clients have a weight_decay of "
                f'{federation.weight_decay:g}; set that to 0, or take form = "gradient-suppression"'
            )
        honest = Weights.of(task.network)
        silent = silent_parameters(task, self._silenced(task, honest))
        speaking = honest.parameters.keys() - silent
        if self.form != "canary" and (len(speaking) > SPEAKING or not silent):
            raise ConfigError(
                f"'{self.name}' cannot silence the network of '{task.name}': under form = \"{self.form}\" "
                f"{len(speaking)} of its parameters have a gradient still, '{min(speaking)}' among them; take another "
                "form, or a network without ways around its ReLUs"
            )

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        if at.client == self.victim or self.victim not in at.cohort:
            return at.weights
        return self._silenced(at.task, at.weights)

    def crafts_for(self, client: int, cohort: Collection[int]) -> bool:
        return client != self.victim and self.victim in cohort

    def aims_at(self) -> int | None:
        return self.victim

    def stands_beside(self, other: Manipulation) -> bool:
        """Of two victims each would be among the others of the other."""
        return not any(isinstance(one, Inconsistency) for one in planted([other]))

    def isolation(self, task: Task, before: Mapping[int, Weights]) -> Isolation | None:
        if self.victim not in before:
            return None
        trusted = {name: torch.ones_like(value) for name, value in before[self.victim].parameters.items()}
        for weights in _distinct([weights for client, weights in before.items() if client != self.victim]):
            silent = silent_entries(task, weights)
            trusted = {name: value * silent[name] for name, value in trusted.items()}
        return Isolation(victim=self.victim, trusted=trusted) if any(map(torch.any, trusted.values())) else None

    def _silenced(self, task: Task, weights: Weights) -> Weights:
        """What the others are sent."""
        if self.form == "gradient-suppression":
            return Weights({n: torch.zeros_like(value) for n, value in weights.parameters.items()}, weights.buffers)
        layer = self._layer(task)
        if self.form == "dead-layer":
            return layer.killed(weights)
        flat = task.space.middle * weights.parameters[layer.weight].flatten(1).sum(1)
        fires = flat if layer.bias is None else flat + weights.parameters[layer.bias]
        return layer.killed(weights, fires.argsort(descending=True, stable=True)[: self.units])

    def _layer(self, task: Task) -> Rectified:
        """The layer that is dead, or that has the canary; raises `ConfigError` where the network has none."""
        layers = [one for one in rectified_layers(task) if one.has_rows or self.form != "canary"]
        if not layers:
            raise ConfigError(
                f"'{self.name}' kills units in front of a ReLU, and in the network of '{task.name}' no layer goes "
                'straight into one (nn.ReLU); take form = "gradient-suppression", or a task whose network has one'
            )
        return layers[0] if self.form == "canary" else layers[-1]


def _distinct(every: list[Weights]) -> list[Weights]:
    """Each once of what was sent, which is mostly the same."""
    found: list[Weights] = []
    for weights in every:
        if not any(_equal(weights, other) for other in found):
            found.append(weights)
    return found


def _equal(one: Weights, other: Weights) -> bool:
    return all(
        value is other.parameters[n] or torch.equal(value, other.parameters[n]) for n, value in one.parameters.items()
    )
