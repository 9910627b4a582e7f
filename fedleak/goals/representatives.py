"""Representatives: what do examples of a class look like that nobody showed the adversary?"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.answer import Answer, Subject
from fedleak.goals.goal import Goal, of_no_known_kind, public_in
from fedleak.goals.judgement import Judgement
from fedleak.goals.matching import finite
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch, class_means


class RepresentativeMetric(Metric):
    """Judges an image that is to show a class. A sample is one class that was asked about."""

    compares: ClassVar[Kind] = "representatives"
    unshown: ClassVar[float] = math.nan
    """What a class is worth that the attack gives no image of."""
    by_judges: ClassVar[bool] = False
    """Whether it asks judges, so that their own error must be known."""

    def inapplicable(self, private: Batch) -> str | None:  # noqa: ARG002
        """Why the metric cannot judge such examples, None where it can."""
        return None

    @abstractmethod
    def per_class(self, guess: Float[Tensor, "*shape"], subject: Subject) -> float:
        """The value of one finite guess; raises `NotApplicable` where it needs judges and there are none."""


class Representatives(Goal):
    """An example of each class that was asked about. Metrics on it are `RepresentativeMetric`s."""

    name: ClassVar[Kind] = "representatives"
    noun: ClassVar[str] = "class"
    verb: ClassVar[str] = "recognised"
    guessing: ClassVar[str] = "gives an image of each class that it is asked about"
    unguessed: ClassVar[str] = "the attack gives no images of classes"
    hit_or_miss: ClassVar[bool] = True
    of_examples: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("recognised", "judged", "class-ssim", "nearest-private")
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Classes were recognised under {names}.",
        Judgement.BEYOND: "Under {names} more of the classes was recognised than guessing gives.",
        Judgement.UNCLEAR: "Under {names} luck may explain the classes that were recognised.",
        Judgement.TOO_FEW: "Under {names} there is too little to tell recognised classes from luck.",
        Judgement.NOTHING: "Under {names} these attackers gave no class away that guessing does not; {tested}",
        Judgement.NO_GAIN: "Under {names} nothing was to be gained: the public data has examples of these classes.",
        Judgement.MISSING: "Under {names} no attack has a figure for the classes.",
    }

    def unfit(self, metric: Metric, answer: Answer) -> str | None:
        if not isinstance(metric, RepresentativeMetric):
            raise of_no_known_kind(metric)
        if answer.owned.labels.dim() > 1:
            return "a representative is of one class, and each example here has a set of labels"
        return metric.inapplicable(answer.owned)

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if not isinstance(metric, RepresentativeMetric):
            raise of_no_known_kind(metric)
        if not answer.classes:
            return Measured(reason="nothing tells which classes were asked about", fits=False)
        given, wanted = tuple(guess.shape[1:]), answer.owned.space.shape
        if given != wanted:
            return Measured(reason=f"the attack gives images of shape {given}, and examples are of shape {wanted}")
        if len(guess) != len(answer.classes):
            return Measured(reason=f"the attack shows {len(guess)} classes and was asked about {len(answer.classes)}")
        shown = finite(guess).tolist()
        if not any(shown):
            return Measured(reason="the attack gave no image that is finite")
        try:
            values = tuple(
                _value(metric, image, subject, is_shown)
                for image, subject, is_shown in zip(guess, answer.subjects, shown, strict=True)
            )
            reasons = "; ".join(_remarks(metric, answer, shown.count(False)))
        except NotApplicable as refusal:
            return Measured(reason=str(refusal), fits=False)
        return Measured(values, reasons or None)

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """The mean public example of the class, of all where public data has none of it; without any, mid-gray."""
        task, public = view.task, public_in(view)
        if not view.classes or task.criterion.several_labels:
            return None
        if public is None:
            return torch.full((len(view.classes), *task.shape), task.space.middle)
        return class_means(public, torch.tensor(view.classes))

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """A public example at random: of the class where public data has it, else any."""
        public = public_in(view)
        if not view.classes or public is None or view.task.criterion.several_labels:
            return None
        return torch.stack([_drawn(public, label, rng) for label in view.classes])


def _drawn(public: Batch, label: int, rng: Generator) -> Float[Tensor, "*shape"]:
    own = torch.nonzero(public.labels == label).flatten()
    pool = own if len(own) else torch.arange(len(public))
    return public.inputs[pool[int(torch.randint(len(pool), (), generator=rng))]]


def _value(metric: RepresentativeMetric, image: Float[Tensor, "*shape"], subject: Subject, is_shown: bool) -> float:
    if not len(subject.private) or (metric.by_judges and not subject.known and subject.unjudged):
        return math.nan
    return metric.per_class(image, subject) if is_shown else metric.unshown


def _remarks(metric: RepresentativeMetric, answer: Answer, missing: int) -> Iterator[str]:
    """What to know about the figures."""
    classes = len(answer.classes)
    if missing:
        yield f"{missing} of {classes} classes had no usable image"
    if unheld := [str(one.label) for one in answer.subjects if not len(one.private)]:
        yield f"no private example is of class {', '.join(unheld)}"
    if metric.by_judges:
        yield from (why for one in answer.subjects if not one.known and (why := one.unjudged))
    if known := sum(one.known for one in answer.subjects):
        yield f"public data has {known} of {classes} classes, where nothing was to be gained"
    if metric.by_judges and (doubt := answer.judges().doubt):
        yield doubt
