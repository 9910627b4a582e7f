"""Attribute neurons: how strongly those neurons of a released model respond that go with a hidden value in public."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor, nn

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.errors import ConfigError, NotApplicable
from fedleak.goals.goal import public_in
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

from ..parts.records.completions import HiddenValues, plausible, rows_of

CHUNK = 256
UNDECIDED = 0.5
"""What it says of a value that no neuron goes with."""
LEAST = 1e-6
"""A response of 0 is taken for this."""


@attacks.register("attribute-neurons")
@dataclass(frozen=True, kw_only=True)
class AttributeNeurons(Attack[Released]):
    """Puts each value into a row and looks how far the neurons respond that are correlated with it over public rows.

    Of each value the `neurons` with the greatest correlation are taken, among all that public rows activate with that
    value put into them; a response is the share of public rows that activate a neuron less, and the mean is weighted by
    correlation. As in the paper it is multiplied by what an imputer says (there WB x IP), which was fitted to the same
    public rows; without `imputer` it stands alone. Neurons of a network that learnt nothing are features of a row as
    well, so that a small gain over the imputer need not have leaked.
    """

    paper: ClassVar = "https://arxiv.org/abs/2209.01292"
    cites: ClassVar = "jayaraman2022attribute"
    neurons: int = 10
    imputer: bool = True

    def __post_init__(self) -> None:
        if self.neurons < 1:
            raise ConfigError(f"expected 1 neuron or more, got {self.neurons}")

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        rows, values, public = rows_of(observation), HiddenValues.of(observation), public_in(observation)
        if public is None:
            raise NotApplicable("the adversary holds no public examples that neurons could be correlated with")
        before = plausible(observation) if self.imputer else torch.ones(len(rows), int(values.mask.sum()))
        known, asked = values.put_into(public.inputs), values.put_into(rows.inputs)
        true = (public.inputs[:, values.mask][:, None] == values.encoded).all(2).double()
        responses = []
        for place in range(len(values.combinations)):
            own, theirs = (
                activations(observation.task, observation.weights, whole[:, place]) for whole in (known, asked)
            )
            responses.append(response(own, true[:, place], theirs, self.neurons))
        evidence = torch.stack(responses, dim=1).clamp_min(LEAST).log()
        return Reconstruction(columns=values.guess(evidence, before))


def response(
    known: Float64[Tensor, "public neurons"],
    true: Float64[Tensor, " public"],
    asked: Float64[Tensor, "rows neurons"],
    most: int,
) -> Float64[Tensor, " rows"]:
    """From 0 to 1 how far the neurons respond that go with a value most, weighted by their correlation with it.

    Of a neuron it is the share of public rows that activate it less, those that do as much counting half. Neurons that
    go with it against it are not asked: where none is left all rows are undecided.
    """
    related = correlations(known, true)
    chosen = related.topk(min(most, len(related))).indices
    weights = related[chosen].clamp_min(0)
    if not weights.any():
        return torch.full((len(asked),), UNDECIDED, dtype=torch.float64)
    ranks = torch.stack([_rank(known[:, neuron], asked[:, neuron]) for neuron in chosen], dim=1)
    return ranks @ weights / weights.sum()


def correlations(
    known: Float64[Tensor, "public neurons"], true: Float64[Tensor, " public"]
) -> Float64[Tensor, " neurons"]:
    """Pearson's, of each neuron with whether a row has the value; 0 where either is the same in all rows."""
    centered, wanted = known - known.mean(0), true - true.mean()
    lengths = centered.norm(dim=0) * wanted.norm()
    flat = lengths <= torch.finfo(known.dtype).eps * (known.norm(dim=0) * true.norm()).clamp_min(1)
    return torch.where(flat, 0.0, wanted @ centered / lengths.where(~flat, torch.ones_like(lengths)))


def _rank(known: Float64[Tensor, " public"], asked: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
    """The share of known ones that are less; those that are the same count half."""
    order = known.sort().values
    low, high = (torch.searchsorted(order, asked.contiguous(), side=side) for side in ("left", "right"))
    return (low + high).double() / (2 * len(order))


def activations(
    task: Task, weights: Weights, inputs: Float[Tensor, "shown *shape"]
) -> Float64[Tensor, "shown neurons"]:
    """What enters each layer that has parameters, but the first, and the scores: nothing that is the input itself.

    A layer that is passed several times counts by its first; one that takes no tensor with a row for each input, not.
    """
    layers = [module for module in task.network.modules() if any(True for _ in module.parameters(recurse=False))]
    return torch.cat([_of(task, weights, layers[1:], shown) for shown in torch.split(inputs, CHUNK)])


def _of(
    task: Task, weights: Weights, layers: list[nn.Module], inputs: Float[Tensor, "shown *shape"]
) -> Float64[Tensor, "shown neurons"]:
    entered: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, arguments: tuple[object, ...]) -> None:
        if arguments and isinstance(arguments[0], Tensor) and len(arguments[0]) == len(inputs):
            entered.setdefault(module, arguments[0].detach())

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            scores = task.logits(weights, inputs, mode="eval")
    finally:
        for handle in handles:
            handle.remove()
    seen = [entered[layer] for layer in layers if layer in entered]
    return torch.cat([one.flatten(1).double() for one in (*seen, scores)], dim=1)
