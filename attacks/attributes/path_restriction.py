"""Path restriction: branches of a decision tree that a row with known columns and an answer may have taken."""

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.learning.decision_tree import DecisionTree, tree_in
from fedleak.learning.space import require_table
from fedleak.learning.split import SplitNetwork
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

from ..parts.records.completions import answers_of, frequent, rows_of


@attacks.register("path-restriction")
@dataclass(frozen=True, kw_only=True)
class PathRestriction(Attack[Served]):
    """Keeps the paths to leaves of the answered class that the known columns allow, and takes one of them at random.

    The active party of vertical learning knows the tree, its own columns, and the class that the tree gave the whole
    row. A hidden value that the chosen path asks about is guessed in the middle of what the path says of it, others by
    frequency. All paths that are left are as likely. Without an answer those of every class are.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.10152"
    cites: ClassVar = "luo2021feature"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"predictions", "weights"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        rows, (said, weights) = rows_of(observation), answers_of(observation)
        tree, order = tree_of(observation.task, weights)
        mask = require_table(rows.space, "a hidden column").mask(observation.hidden)
        paths = Paths.of(tree, order, observation.task.space.bounds)
        left = paths.allowed(rows.inputs) & _of_class(paths.classes, said)
        if not left.any(1).all():
            raise NotApplicable("no path of the tree leads from what is known of a row to its answer")
        chosen = torch.multinomial(left.double(), 1, generator=rng)[:, 0]
        middle = paths.middles[chosen][:, mask]
        guess = torch.where(middle.isnan(), frequent(observation), middle)
        note = f"{left.sum(1).double().mean():.1f} of {len(paths.classes)} paths are left in the mean"
        return Reconstruction(columns=guess, note=note)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All paths from the root of a tree to a leaf, as what they say of the values of a row."""

    low: Float[Tensor, "paths values"]
    """A value is above it."""
    high: Float[Tensor, "paths values"]
    """A value is not above it."""
    classes: Int[Tensor, " paths"]
    bounds: tuple[float, float]

    @classmethod
    def of(cls, tree: DecisionTree, order: Int[Tensor, " values"], bounds: tuple[float, float]) -> "Paths":
        """`order` says where in a row the values stand that the tree asks about."""
        ways = list(tree.ways())
        low = torch.full((len(ways), len(order)), -torch.inf)
        high = torch.full((len(ways), len(order)), torch.inf)
        for path, (_, way) in enumerate(ways):
            for node, right in way:
                place, threshold = int(order[tree.features[node]]), float(tree.thresholds[node])
                if right:
                    low[path, place] = max(float(low[path, place]), threshold)
                else:
                    high[path, place] = min(float(high[path, place]), threshold)
        classes = tree.leaves.detach()[[leaf for leaf, _ in ways]].argmax(1)
        return cls(low=low, high=high, classes=classes, bounds=bounds)

    def allowed(self, rows: Float[Tensor, "rows values"]) -> Bool[Tensor, "rows paths"]:
        """Which a row may have taken by what is known of it; what is hidden is NaN."""
        within = (rows[:, None] > self.low) & (rows[:, None] <= self.high)
        return (within | rows.isnan()[:, None]).all(2)

    @property
    def middles(self) -> Float[Tensor, "paths values"]:
        """The middle of what is left of the range of a value; NaN where a path says nothing of it."""
        middle = (self.low.clamp_min(self.bounds[0]) + self.high.clamp_max(self.bounds[1])) / 2
        return middle.masked_fill(self.low.isinf() & self.high.isinf(), torch.nan)


def tree_of(task: Task, weights: Weights) -> tuple[DecisionTree, Int[Tensor, " values"]]:
    """The tree with these weights, and where in a row the values stand that it asks about.

    Raises `NotApplicable` where the network is something else.
    """
    found = tree_in(task.network)
    if found is None:
        raise NotApplicable(f"the model of '{task.name}' is no decision tree: it takes one, the network decision-tree")
    name, tree = found[0], deepcopy(found[1])
    state = weights.state_dict()
    tree.load_state_dict({key: state[f"{name}.{key}"] for key in tree.state_dict()})
    places = task.network.places if isinstance(task.network, SplitNetwork) else (tuple(range(task.shape[-1])),)
    return tree, torch.tensor([place for own in places for place in own])


def _of_class(classes: Int[Tensor, " paths"], said: Float[Tensor, "rows classes"]) -> Bool[Tensor, "rows paths"]:
    """Which end in the class of an answer; all where there is none."""
    answered = said.nan_to_num(0.0).argmax(1)
    return (answered[:, None] == classes) | said.isnan().any(1, keepdim=True)
