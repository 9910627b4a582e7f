"""Split network: a bottom network for each party, on the columns that it holds, and one top network on all they send.

Source: Vepakomma et al. 2018, https://arxiv.org/abs/1812.00564.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from fedleak.learning.facts import Mode
from fedleak.learning.layers import called
from fedleak.learning.loss import Criterion
from fedleak.learning.weights import NamedTensors, Weights

ACTIVE = 0
"""The party that holds the labels and the top network, beside columns of its own; the others are passive."""


class SplitNetwork(nn.Module):
    """The joint network: what trains it in one place is what split training has to equal."""

    def __init__(
        self,
        places: Sequence[Int[Tensor, " own"]],
        bottoms: Sequence[nn.Module],
        top: nn.Module,
        sizes: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__()
        self.places = tuple(tuple(own.tolist()) for own in places)
        """Of each party, where its columns are along the last axis of an example."""
        self.bottoms = nn.ModuleList(bottoms)
        self.top = top
        self.sizes = tuple(sizes)
        """Of each party, the shape of what it sends of one example."""

    @property
    def dtype(self) -> torch.dtype:
        """What its parts compute in, and send."""
        return next(self.parameters()).dtype

    def part(self, inputs: Float[Tensor, "batch *shape"], party: int) -> Float[Tensor, "batch *own"]:
        """The columns of one party."""
        return inputs[..., list(self.places[party])]

    def forward(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch classes"]:
        embeddings = [bottom(self.part(inputs, party)) for party, bottom in enumerate(self.bottoms)]
        scores: Tensor = self.top(joint(embeddings))
        return scores


class SummedScores(nn.Module):
    """The top where each bottom is a whole network: it adds up the scores that they send, and has no weights."""

    def __init__(self, parties: int) -> None:
        super().__init__()
        self.parties = parties

    def forward(self, scores: Float[Tensor, "batch all"]) -> Float[Tensor, "batch classes"]:
        return scores.reshape(len(scores), self.parties, -1).sum(1)


def joint(embeddings: Sequence[Float[Tensor, "batch *one"]]) -> Float[Tensor, "batch *all"]:
    """What the top network gets: embeddings one after the other; feature maps side by side, as the columns were."""
    return torch.cat(list(embeddings), dim=-1)


def held_by(weights: Weights, party: int) -> Weights:
    """The weights that one party holds: those of its bottom and, if it is the active one, of the top."""
    prefixes = (f"bottoms.{party}.", "top.") if party == ACTIVE else (f"bottoms.{party}.",)

    def own(state: NamedTensors) -> NamedTensors:
        return {name: value for name, value in state.items() if name.startswith(prefixes)}

    return Weights(own(weights.parameters), own(weights.buffers))


Sending = Callable[[Tensor], Tensor]
"""Of an embedding, what a party sends in its place; differentiable."""
Penalty = Callable[[Tensor, Tensor], Tensor | None]
"""Of a party's columns and embedding, what it adds to the loss; None: nothing."""


@dataclass(frozen=True)
class Party:
    """One party's side of a step: what it computes with the weights that it holds."""

    network: SplitNetwork
    """The architecture alone; its own weights are never read."""
    party: int

    def embedding(
        self, weights: Weights, own: Float[Tensor, "batch *own"], mode: Mode
    ) -> Float[Tensor, "batch *embedding"]:
        """What it sends of a batch of its columns. Buffers stay as they are: a step is not over yet."""
        with torch.no_grad():
            return self.bottom(weights.clone(), own, mode)

    def slopes(
        self,
        weights: Weights,
        own: Float[Tensor, "batch *own"],
        slope: Float[Tensor, "batch *embedding"],
        mode: Mode,
        sending: Sending | None = None,
        penalty: Penalty | None = None,
    ) -> NamedTensors:
        """The gradient for its weights where that for what it sent is `slope`; buffers are updated in place.

        That of a penalty on its columns and embedding is added.
        """
        tracked = _tracked(weights)
        embedding = self.bottom(tracked, own, mode)
        added = None if penalty is None else penalty(own.to(embedding), embedding)
        sent = embedding if sending is None else sending(embedding)
        return _gradients(sent, tracked.parameters, slope, added)

    def vectors(self, buffers: NamedTensors) -> Callable[[NamedTensors, Tensor], Float[Tensor, "batch values"]]:
        """Its bottom network in eval mode, of parameters and columns; what is embedded of a row in one vector."""

        def embedded(parameters: NamedTensors, own: Tensor) -> Tensor:
            return self.bottom(Weights(parameters, buffers), own, "eval").flatten(1).float()

        return embedded

    def bottom(
        self, weights: Weights, own: Float[Tensor, "batch *own"], mode: Mode
    ) -> Float[Tensor, "batch *embedding"]:
        """Its bottom network on the weights that are given."""
        bottom = self.network.bottoms[self.party]
        return _called(bottom, weights, f"bottoms.{self.party}.", own.to(self.network.dtype), mode)


@dataclass(frozen=True)
class ActiveStep:
    """What the active party makes of a batch."""

    loss: float
    gradients: NamedTensors
    """For the weights that it holds."""
    slopes: tuple[Float[Tensor, "batch *embedding"], ...]
    """For the embeddings of the others, in their order."""


@dataclass(frozen=True)
class ActiveParty(Party):
    """The party with the labels: it computes the loss, and what each other party needs to go on."""

    criterion: Criterion

    def step(
        self,
        weights: Weights,
        own: Float[Tensor, "batch *own"],
        received: Sequence[Float[Tensor, "batch *embedding"]],
        labels: Num[Tensor, "batch *classes"],
        mode: Mode,
    ) -> ActiveStep:
        """The mean loss, its gradients and slopes; buffers are updated in place."""
        tracked = _tracked(weights)
        others = [one.detach().requires_grad_() for one in received]
        loss = self.criterion.mean(self._scores(tracked, own, others, mode), labels)
        names = list(tracked.parameters)
        found = torch.autograd.grad(loss, [*tracked.parameters.values(), *others], materialize_grads=True)
        gradients = dict(zip(names, found[: len(names)], strict=True))
        return ActiveStep(loss=loss.item(), gradients=gradients, slopes=found[len(names) :])

    def scores(
        self, weights: Weights, own: Float[Tensor, "batch *own"], received: Sequence[Float[Tensor, "batch *embedding"]]
    ) -> Float[Tensor, "batch classes"]:
        """What the joint network says, in eval mode."""
        with torch.no_grad():
            return self._scores(weights, own, received, "eval")

    def _scores(self, weights: Weights, own: Tensor, received: Sequence[Tensor], mode: Mode) -> Tensor:
        embeddings = [self.bottom(weights, own, mode), *received]
        return self.criterion.scores(_called(self.network.top, weights, "top.", joint(embeddings), mode))


def _tracked(weights: Weights) -> Weights:
    """The same weights with parameters that take a gradient, and the very same buffers."""
    return Weights(
        {name: value.detach().requires_grad_() for name, value in weights.parameters.items()}, weights.buffers
    )


def _gradients(sent: Tensor, parameters: NamedTensors, slope: Tensor, added: Tensor | None) -> NamedTensors:
    """Of bottoms without parameters, such as a flattening, none."""
    if not parameters:
        return {}
    along: dict[Tensor, Tensor | None] = {sent: slope.to(sent)} | ({} if added is None else {added: None})
    found = torch.autograd.grad(list(along), list(parameters.values()), list(along.values()), materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


def _called(module: nn.Module, weights: Weights, prefix: str, inputs: Tensor, mode: Mode) -> Tensor:
    """A part of the network on the weights of the whole that begin with its name."""
    module.train(mode == "train")
    state = {name.removeprefix(prefix): one for name, one in weights.state_dict().items() if name.startswith(prefix)}
    outputs: Tensor = called(module, state, inputs)
    return outputs
