"""Boundary distance: members are farther from where a service's label changes, which labels alone tell."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float, Float64
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import left_out_of_shadows
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors
from fedleak.progress import report
from fedleak.settings.base import Count, Rate

from ..parts.applicability import records_of
from ..parts.records.answers import filled
from ..parts.records.shadow_scores import Shadows, Spread, shadow_scores

NOISES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Standard deviations that are tried, in units of the range of a value."""
USUAL = 0.3
TRIED, MODELS = 4, 16
"""Copies and models that each is tried with."""


@attacks.register("boundary-distance")
@dataclass(frozen=True, kw_only=True)
class BoundaryDistance(Attack[Served]):
    """Asks a service about noisy copies of each candidate, and counts how many keep its label.

    The farther the boundary, the more of them do; the likeliest label is all that is read of an answer, so defenses
    that leave it change nothing. Each candidate is asked about as it is, then all of them with the first noise, with
    the second, and so on as far as the budget goes: what it buys is copies, of the first candidates one more at most.

    How far the boundary is hangs on the record more than on whether it was trained on. So the same copies are shown to
    shadow models, trained on some of the candidates each, and the score is the likelihood ratio of the count, as LiRA
    has it of confidences (`shadows = 0`: the share itself, as in the paper, and 0 where the label is wrong). The noise
    is the one of a few at which shadow models differ most between records that they did and did not train on.

    Differences from the paper: of its attacks the one by noise, which needs fewer questions than a search for the
    boundary; a likelihood ratio in the place of one threshold.
    """

    paper: ClassVar = "https://arxiv.org/abs/2007.14321"
    cites: ClassVar = "choquettechoo2021label"
    copies: Count = 20
    """Of a candidate with noise, at most."""
    noise: Rate | None = None
    """Standard deviation in units of the range; None: what shadow models say, without any 0.3."""
    shadows: Annotated[int, Field(ge=0)] = 64
    online: bool = True
    """Whether shadow models are trained on candidates, else on public examples."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        records, task = records_of(observation), observation.task
        if records.labels.dim() != 1:
            raise NotApplicable("a boundary is between labels, and these records have several")
        shadows = Shadows.of(observation, records, self.shadows, online=self.online) if self.shadows else None
        noise = self.noise or (USUAL if shadows is None else _telling_noise(task, shadows, rng))
        right = torch.zeros(len(records), dtype=torch.bool)
        found = _Kept(torch.zeros(len(records)).double(), torch.zeros(len(records)).double())
        own = _Kept(torch.zeros(self.shadows, len(records)).double(), found.answered)
        for place, copy in enumerate(_copies(records, task, noise, self.copies, rng)):
            report(place, self.copies + 1)
            answered, kept = _kept_by_service(observation, copy)
            if not answered.any():
                break
            right = kept if not place else right
            found.kept += kept
            found.answered += answered
            if shadows is not None:
                own.kept += _kept_by_models(task, shadows.stacked, copy) & answered
        score = _plain_scores(right, found)
        if shadows is not None:
            score = shadows.likelihood_ratio(found.log_odds, own.log_odds)
        note = left_out_of_shadows(observation.defense) if self.shadows else None
        return Reconstruction(membership=filled(score).float(), note=note)


@dataclass
class _Kept:
    """Of each record how many of its copies were answered, and how many of these with its own label."""

    kept: Float64[Tensor, "*models records"]
    answered: Float64[Tensor, " records"]

    @property
    def log_odds(self) -> Float64[Tensor, "*models records"]:
        """Of a copy keeping the label, with half a copy more of either kind; NaN where nothing was answered."""
        odds = ((self.kept + 0.5) / (self.answered - self.kept + 0.5)).log()
        return torch.where(self.answered > 0, odds, torch.nan)


def _copies(records: Batch, task: Task, noise: float, count: int, rng: Generator) -> Iterator[Batch]:
    """The records as they are, and then so many times with Gaussian noise, clamped to the range."""
    if not task.space.continuous:
        raise NotApplicable(f"{task.space.words} have no noisy copies: a small change of a value is another value")
    yield records
    for _ in range(count):
        noisy = records.inputs + noise * task.space.extent * torch.randn(records.inputs.shape, generator=rng)
        yield replace(records, inputs=task.space.clamped(noisy))


def _kept_by_service(view: Served, copy: Batch) -> tuple[Bool[Tensor, " records"], Bool[Tensor, " records"]]:
    """Which records were answered, as far as the budget goes, and which of these with their own label."""
    answered = torch.zeros(len(copy), dtype=torch.bool)
    kept = torch.zeros(len(copy), dtype=torch.bool)
    asked = copy.inputs[: view.service.remaining]
    if len(asked):
        said = view.service.ask(asked)
        answered[: len(asked)] = said.isfinite().all(1)
        kept[: len(asked)] = said.nan_to_num().argmax(1) == copy.labels[: len(asked)]
    return answered, kept & answered


def _kept_by_models(task: Task, stacked: NamedTensors, copy: Batch) -> Bool[Tensor, "models records"]:
    """Of each model which records have their own label."""
    return torch.cat([scores.argmax(2) == copy.labels for scores in shadow_scores(task, stacked, copy)])


def _telling_noise(task: Task, shadows: Shadows, rng: Generator) -> float:
    """The noise at which models of the adversary's own differ most between records they did and did not train on."""
    some = {name: value[:MODELS] for name, value in shadows.stacked.items()}
    trained_on = shadows.trained_on[:MODELS].double()

    def telling(noise: float) -> float:
        each = [
            _kept_by_models(task, some, copy).double() for copy in _copies(shadows.records, task, noise, TRIED, rng)
        ]
        odds = _Kept(torch.stack(each).sum(0), torch.full((len(shadows.records),), TRIED + 1.0).double()).log_odds
        inside, outside = Spread.of(odds, trained_on), Spread.of(odds, 1 - trained_on)
        both = (trained_on.sum(0) > 0) & (trained_on.sum(0) < len(trained_on))
        apart = (inside.mean - outside.mean)[both].mean()
        return float(apart / (inside.variance + outside.variance).sqrt())

    return max(NOISES, key=telling)


def _plain_scores(right: Bool[Tensor, " records"], found: _Kept) -> Float[Tensor, " records"]:
    """Copies that keep the label, by share; 0 where the record itself has another one, NaN where nothing was said."""
    return torch.where(found.answered > 0, right * found.kept / found.answered.clamp_min(1.0), torch.nan)
