"""Nearby: how many noisy copies of a record keep its label, which grows with how far the decision boundary is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Float64
from torch import Generator, Tensor

from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors

from .shadow_scores import Shadows, Spread, shadow_scores

NOISES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Standard deviations that are tried, in units of the range of a value."""
USUAL = 0.3
TRIED, MODELS = 4, 16
"""Copies and models that each is tried with."""


@dataclass
class Kept:
    """Of each record how many of its copies were answered, and how many of these with its own label."""

    kept: Float64[Tensor, "*models records"]
    answered: Float64[Tensor, " records"]

    @property
    def log_odds(self) -> Float64[Tensor, "*models records"]:
        """Of a copy keeping the label, with half a copy more of either kind; NaN where nothing was answered."""
        odds = ((self.kept + 0.5) / (self.answered - self.kept + 0.5)).log()
        return torch.where(self.answered > 0, odds, torch.nan)


def copies(records: Batch, task: Task, noise: float, count: int, rng: Generator) -> Iterator[Batch]:
    """The records as they are, and then so many times with Gaussian noise, clamped to the range."""
    if not task.space.continuous:
        raise NotApplicable(f"{task.space.words} have no noisy copies: a small change of a value is another value")
    yield records
    for _ in range(count):
        noisy = records.inputs + noise * task.space.extent * torch.randn(records.inputs.shape, generator=rng)
        yield replace(records, inputs=task.space.clamped(noisy))


def kept_by_service(view: Served, copy: Batch) -> tuple[Bool[Tensor, " records"], Bool[Tensor, " records"]]:
    """Which records were answered, as far as the budget goes, and which of these with their own label."""
    answered = torch.zeros(len(copy), dtype=torch.bool)
    kept = torch.zeros(len(copy), dtype=torch.bool)
    asked = copy.inputs[: view.service.remaining]
    if len(asked):
        said = view.service.ask(asked)
        answered[: len(asked)] = said.isfinite().all(1)
        kept[: len(asked)] = said.nan_to_num().argmax(1) == copy.labels[: len(asked)]
    return answered, kept & answered


def kept_by_models(task: Task, stacked: NamedTensors, copy: Batch) -> Bool[Tensor, "models records"]:
    """Of each model which records have their own label."""
    return torch.cat([scores.argmax(2) == copy.labels for scores in shadow_scores(task, stacked, copy)])


def telling_noise(task: Task, shadows: Shadows, rng: Generator) -> float:
    """The noise at which models of the adversary's own differ most between records they did and did not train on."""
    some = {name: value[:MODELS] for name, value in shadows.stacked.items()}
    trained_on = shadows.trained_on[:MODELS].double()

    def telling(noise: float) -> float:
        each = [kept_by_models(task, some, copy).double() for copy in copies(shadows.records, task, noise, TRIED, rng)]
        odds = Kept(torch.stack(each).sum(0), torch.full((len(shadows.records),), TRIED + 1.0).double()).log_odds
        inside, outside = Spread.of(odds, trained_on), Spread.of(odds, 1 - trained_on)
        both = (trained_on.sum(0) > 0) & (trained_on.sum(0) < len(trained_on))
        apart = (inside.mean - outside.mean)[both].mean()
        return float(apart / (inside.variance + outside.variance).sqrt())

    return max(NOISES, key=telling)


def plain_scores(right: Bool[Tensor, " records"], found: Kept) -> Float[Tensor, " records"]:
    """Copies that keep the label, by share; 0 where the record itself has another one, NaN where nothing was said."""
    return torch.where(found.answered > 0, right * found.kept / found.answered.clamp_min(1.0), torch.nan)
