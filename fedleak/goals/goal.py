"""Goal: a kind of guess. What it is called, what judges it and how, and what is guessed blindly; one file each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.goals.answer import Answer
from fedleak.goals.judgement import Judgement
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch


class Goal(ABC):
    """One field of a `Reconstruction`: everything that is said and done about it anywhere."""

    name: ClassVar[Kind]
    noun: ClassVar[str]
    """What a sample is, in the singular, with `{example}` for what an example is called."""
    verb: ClassVar[str]
    """What an attacker who gets one did to it."""
    guessing: ClassVar[str]
    """What an attack with this goal does: `guesses examples`."""
    unguessed: ClassVar[str]
    """Why there is no figure of an attack that has another goal."""
    hit_or_miss: ClassVar[bool]
    """Whether guessing hits some samples as well, so that a single hit is no finding."""
    blindly: ClassVar[str] = "public examples drawn at random"
    """What guesses where there is no access to what is looked at, as words."""
    of_examples: ClassVar[bool] = True
    """Whether a sample is one of the examples behind what is seen; else one thing that the attacker was asked."""
    metrics: ClassVar[tuple[str, ...]]
    """What judges it where nobody named a metric; the page of a run speaks in the first that has a figure."""
    metrics_of_models: ClassVar[tuple[str, ...]] = ()
    """What judges it besides, where it is asked of a model that left its federation."""
    sentences: ClassVar[Mapping[Judgement, str]]
    """What a verdict says, with `{names}` for the defenses and `{tested}` for whether attackers know them;
    `{example}` and `{examples}` as in `noun`."""

    def aligned(self, made: Reconstruction, answer: Answer) -> Reconstruction:  # noqa: ARG002
        """The guess as metrics judge it; failed, with the reason, where it is of more than there is."""
        return made

    def unfit(self, metric: Metric, answer: Answer) -> str | None:  # noqa: ARG002
        """Why the metric cannot judge such data, None where it can."""
        return None

    def measure(self, metric: Metric, guess: Reconstruction, answer: Answer) -> Measured:
        """The metric's values for an aligned guess, or why there are none."""
        if guess.failure is not None:
            return Measured(reason=guess.failure)
        unfit = self.unfit(metric, answer)
        if unfit is not None:
            return Measured(reason=unfit, fits=False)
        made = guess.guesses.get(self.name)
        if made is None:
            return Measured(reason=self.unguessed, fits=False)
        return self.figures(metric, made, answer)

    @abstractmethod
    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        """The same of the goal's own field; raises `TypeError` where the metric does not keep the goal's contract."""

    @abstractmethod
    def prior(self, view: View, rng: Generator) -> Tensor | None:
        """The best constant guess without access; None where the view does not ask for one."""

    @abstractmethod
    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """A guess with the adversary's public data and nothing of what it looks at: of examples, one drawn at random.

        None where the view does not ask for one, or there is no public data that it takes.
        """


def examples_in(view: View) -> int | None:
    """How many examples there are to guess: behind an update, or between two versions of a model; None of one model."""
    if isinstance(view, Observation):
        return view.examples()
    return view.new_examples if isinstance(view, Released | Served) else None


def public_in(view: View) -> Batch | None:
    """The adversary's public data; None where there is none, or it is empty."""
    return view.auxiliary if view.auxiliary is not None and len(view.auxiliary) else None


def of_no_known_kind(metric: Metric) -> TypeError:
    """A metric whose contract is not that of what it says that it compares."""
    return TypeError(
        f"'{metric.name}' compares {metric.compares} and is a metric of no known kind; derive it from ExampleMetric in "
        "fedleak.contracts.metric, or from the contract in the file of its goal in fedleak.goals"
    )
