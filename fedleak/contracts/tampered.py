"""Tampered: several tamperings, in order, where they run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from fedleak.accounting.mechanism import Beside
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampering import Standing, Tampering, tamperings
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.settings.base import Table

Moved = tuple[NamedTensors, dict[str, NamedTensors]]
"""How far weights go down in a step, and what each tampering keeps, by its place."""
Moving = Callable[[NamedTensors, Mapping[str, NamedTensors]], Moved]
KEPT = "tampering-"
WHERE = "adversary.does"
"""Their place in the user's input."""


def built(tables: Sequence[Table]) -> tuple[Tampering, ...]:
    """The tamperings that an experiment names; raises `ConfigError` with the place of what is wrong."""
    return tuple(tamperings.from_table(table, f"{WHERE}.{i}") for i, table in enumerate(tables))


def tables_of(does: Sequence[Tampering]) -> list[Table]:
    """`{use = name, ...}` with every option, for each."""
    return [{"use": one.name, **one.options()} for one in does]


def sent_parameters(task: Task, chain: Chain) -> tuple[str, ...]:
    """The parameters that leave clients, in the network's order; `task` is the transformed one."""
    withheld = chain.withheld(task)
    return tuple(name for name in Weights.of(task.network).parameters if name not in withheld)


def beside_training(does: Sequence[Tampering]) -> Beside:
    """Those that act in a client's round, by name: a defense of gradients or examples does not see what they add."""
    return tuple(one.name for one in does if one.by != "party")


def moved(does: Sequence[Tampering], party: int, change: NamedTensors, kept: Mapping[str, NamedTensors]) -> Moved:
    """What a step of a passive party's own optimizer becomes in the end."""
    left = {}
    for place, one in enumerate(does):
        change, left[f"{KEPT}{place}"] = one.change(party, change, kept.get(f"{KEPT}{place}", {}))
    return change, left


@dataclass(frozen=True, kw_only=True)
class Tampered:
    """What tampered code does in one round of a client; without tamperings, nothing."""

    does: tuple[Tampering, ...]
    standing: Standing

    def examples(self, examples: Batch) -> Batch:
        """What is trained on, in the end."""
        for place, one in enumerate(self.does):
            rng = generator(*self.standing.seed_key, "tampering", place)
            examples = one.examples(self.standing, examples, rng)
        return examples

    def gradient(self, gradient: NamedTensors, parameters: NamedTensors) -> NamedTensors:
        """The gradient of a local step with that of all penalties at the same parameters."""
        with torch.enable_grad():
            own = {name: value.detach().requires_grad_() for name, value in parameters.items()}
            penalties = [one.penalty(self.standing, own) for one in self.does]
            found = [penalty for penalty in penalties if penalty is not None]
            if not found:
                return gradient
            slopes = torch.autograd.grad(torch.stack(found).sum(), list(own.values()), materialize_grads=True)
        return {name: gradient[name] + slope for name, slope in zip(own, slopes, strict=True)}

    def finish(self, before: Weights, after: Weights) -> Weights:
        """The weights that are sent, in the end."""
        for one in self.does:
            after = one.finish(self.standing, before, after)
        return after

    def hidden(self) -> Iterator[tuple[str, Hidden]]:
        """What each of them hides of the client, by its name."""
        for one in self.does:
            found = one.hidden(self.standing)
            if found is not None:
                yield one.name, found
