"""SRATTA: examples read off the first layer of sums, and told apart by client."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable

from ..parts.applicability import require_gradient
from ..parts.linear_layers.first_layer import FirstLayer, find_first_layer
from ..parts.linear_layers.neurons import unexplained
from ..parts.linear_layers.recurring_inputs import Recurring, Seen, recurring, same_client
from ..parts.sums import Sums, words_of


@attacks.register("sratta")
@dataclass(frozen=True, kw_only=True)
class SRATTA(Attack):
    """Reads examples off neurons that one example alone moved in a sum over clients, and finds whose they are.

    Recovery: such a neuron's weight gradient over its bias gradient is the example, after any number of local steps.
    What tells an example from a mixture is here that it recurs at another neuron, in any round; the paper has an oracle
    of what the data look like. Grouping, as in the paper: a neuron that only one client's examples wake before
    the round moves in that client's copy alone, so whatever else moved it is that client's. It needs a ReLU behind the
    layer, several local steps and no weight decay, and finds nothing otherwise.

    Beyond the paper, which has every client in every round and gives groups without names: an example was in a round
    where it was read or where the layer's rows span it, so its owner is in the cohorts of all rounds of its group; one
    client left is the owner. That assumes no example is with two clients, and nothing of what clients do in rounds
    where it was not seen.

    On a masked message, the examples that were in this round and are this client's alone; on a sum, all that were in
    it, whoever's, also those that another round gave away. Needs a first linear layer on the whole image with a bias.
    """

    paper: ClassVar = "https://arxiv.org/abs/2306.07644"
    cites: ClassVar = "marchand2023sratta"

    @property
    def requires(self) -> frozenset[Requirement]:
        return super().requires | {"others"}

    def adapts_to(self, chain: Chain) -> bool:
        return chain.protocol is not None

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"inputs"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        layer = find_first_layer(observation.task)
        if not observation.masked:
            require_gradient(observation)
        sums = Sums.around(observation)
        here = _place(sums, observation)
        require_gradient(sums.messages[here])
        seen = [Seen.of(message, layer) for message in sums.messages]
        found = recurring(seen, observation.task.space.bounds)
        if not len(found.inputs):
            raise NotApplicable("no two neurons agree on an example in any sum up to this round")
        owners = _owners(sums, found, seen, layer)
        chosen = _chosen(observation, found, owners, here)
        inputs, space = found.inputs[chosen], observation.task.space
        return Reconstruction(
            inputs=space.clamped(inputs).float().reshape(-1, *space.shape),
            mismatch=unexplained(seen[here].weight, inputs),
            note=_note(observation, found, owners),
        )


def _place(sums: Sums, observation: Observation) -> int:
    """Which of the sums the message is, or is in; raises `NotApplicable` where there is none."""
    for place, message in enumerate(sums.messages):
        if message.round == observation.round and set(observation.cohort) <= set(message.cohort):
            return place
    raise NotApplicable("no sum with this client was revealed in this round")


def _owners(sums: Sums, found: Recurring, seen: list[Seen], layer: FirstLayer) -> list[set[int]]:
    """For each example the clients that took part whenever it, or another one of the same client, was there."""

    def possible(group: set[int]) -> set[int]:
        rounds = torch.nonzero(found.present[sorted(group)].any(0)).flatten().tolist()
        return set.intersection(*(set(sums.messages[place].cohort) for place in rounds))

    alone = layer.behind == "ReLU" and sums.at.training.weight_decay == 0  # only examples move a neuron
    single: list[set[int]] = [{number} for number in range(len(found.inputs))]
    groups = same_client(seen, found, lambda group: bool(possible(group))) if alone else single
    by_example = {number: possible(group) for group in groups for number in group}
    return [by_example[number] for number in range(len(found.inputs))]


def _chosen(observation: Observation, found: Recurring, owners: list[set[int]], here: int) -> Tensor:
    """The examples to guess, the most often seen first; raises `NotApplicable` where there is none."""
    present = torch.nonzero(found.present[:, here]).flatten()
    if not observation.masked:
        chosen = present[: observation.examples()]
    else:
        chosen = present[[owners[number] == set(observation.cohort) for number in present.tolist()]]
    if not len(chosen):
        raise NotApplicable(
            "of the examples that were recovered none is this client's alone by the rounds that it was in: attack a "
            "later round, or record more of them"
            if observation.masked
            else "examples were recovered from other rounds, and none of this one"
        )
    return chosen


def _note(observation: Observation, found: Recurring, owners: list[set[int]]) -> str:
    known = sum(len(possible) == 1 for possible in owners)
    sums = found.present.shape[1]
    note = (
        f"{len(owners)} examples recovered from {sums} sum{'s' if sums > 1 else ''}, {known} of them with their owner"
    )
    return f"{note}; here those of {words_of(observation.cohort)}"
