"""Shadow updates: models of one's own before and after an update by public records, and what they say of probes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.func import vmap

from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.learning.batch import Batch
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.stacked_updates import updates_of
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.progress import report

from .changes import Changes

AT_ONCE = 64
"""Models that look at all probes together."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """The adversary's models before an update: how they are made, and which public records each has seen."""

    models: Callable[[], NamedTensors]
    known: Bool[Tensor, "models records"]
    seed: int
    """By the records, so that the same question has the same answer."""


def own_models(view: Released | Served, public: Batch, count: int, rounds: int) -> Own:
    """Federations like the observed one, each on half of the public records, for so many rounds over all of these."""
    asked = StackedFederations.drawn(
        view.task,
        public,
        replace(view.training, batches=None),
        federations=count,
        clients=min(len(view.cohort), max(len(public) // 2, 1)),
        examples=len(public) // 2,
        rounds=rounds,
    )
    return Own(models=lambda: view.shadows.trained(asked), known=asked.trains_on, seed=asked.seed)


@dataclass(frozen=True, kw_only=True)
class ShadowUpdates:
    """Updates of which all is known."""

    changes: Changes
    """Without any defense of answers."""
    records: Int[Tensor, "updates examples"]
    """The public records behind each."""

    @classmethod
    def of(
        cls,
        view: Released | Served,
        public: Batch,
        probes: Float[Tensor, "probes *shape"],
        own: Own,
        count: int,
    ) -> "ShadowUpdates":
        """About so many updates like the one between the last two versions of a view.

        As many clients take part as there are, as far as there is an example for each. Raises `NotApplicable` where
        that cannot be stacked or takes too much memory, before models are trained.
        """
        examples = view.new_examples or 1
        asked = updates_of(
            view.task,
            public,
            {},
            own.known,
            view.training,
            count=count,
            clients=min(len(view.cohort), examples),
            examples=examples,
            rounds=view.round - view.earlier[-1].round,
            seed=own.seed,
        )
        asked.require_stackable()
        start = own.models()
        after = view.shadows.trained(replace(asked, start=start))
        before = probabilities(view, start, probes)
        each = len(asked.shares) // len(before)
        return cls(
            changes=Changes(before=before.repeat_interleave(each, 0), after=probabilities(view, after, probes)),
            records=asked.shares.flatten(1),
        )


def probabilities(
    view: Released | Served, stacked: NamedTensors, probes: Float[Tensor, "probes *shape"]
) -> Float[Tensor, "models probes classes"]:
    """What stacked models say of all probes."""
    return torch.cat(list(_scores(view, stacked, probes))).softmax(2)


def _scores(view: Released | Served, stacked: NamedTensors, probes: Tensor) -> Iterator[Tensor]:
    buffers = Weights.of(view.task.network).buffers
    models = len(next(iter(stacked.values())))

    def scores(parameters: NamedTensors) -> Tensor:
        return view.task.logits(Weights(parameters, buffers), probes, mode="eval")

    for places in torch.split(torch.arange(models), AT_ONCE):
        report(int(places[0]), models)
        with torch.no_grad():
            yield vmap(scores)({name: value[places] for name, value in stacked.items()})
