"""Leak, for assertions: what one attack on one update got, figures by name, beside those of baselines."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.errors import did_you_mean

ADVICE = (
    "if that is too much, measure it again under another defense (`fedleak list defenses`); if it is little, another "
    "attack may do better (`fedleak list attacks`)"
)
PRIOR = "the prior could not be scored on these examples"
NO_ACCESS = "it guesses from public examples; give some as auxiliary=(images, labels)"


@dataclass(frozen=True, repr=False)
class Figures:
    """A figure for each metric, by attribute: `figures.label_recall`.

    One that does not exist fails the test with its reason: NaN would let some comparisons pass and others not.
    """

    whose: str
    values: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> float:
        """The figure of the metric `name`, with `_` for `-`; raises `AssertionError` where there is none."""
        __tracebackhide__ = True
        return figure_of(self, name)

    def __repr__(self) -> str:
        return f"<{self.whose}>"


def figure_of(figures: Figures, name: str) -> float:
    """The figure of a metric by the name of its attribute."""
    __tracebackhide__ = True  # pytest shows the line of the test that asked
    metric = name.replace("_", "-")
    if name.startswith("_") or metric not in figures.values:
        names = [known.replace("-", "_") for known in figures.values]
        unscored = metric in {cls.name for cls in metrics}
        remedy = f"; ask for it by metrics=['{metric}']" if unscored else did_you_mean(name, names)
        raise AttributeError(f"{figures.whose} has no figure called '{name}'{remedy}")
    value = figures.values[metric]
    if math.isnan(value):
        raise AssertionError(f"{figures.whose} has no {metric}: {figures.reasons.get(metric, 'no reason given')}")
    return value


class Leak:
    """A scored attack. `leak.psnr` is a mean over the examples, and so with every metric."""

    def __init__(self, attack: str, guess: Reconstruction, scores: Iterable[Score]) -> None:
        self.attack = attack
        self.guess = guess
        """What the attack returned."""
        self.scores = tuple(scores)
        self.certified = guess.certificate is not None
        """Whether the attack proved its guess."""
        reasons = {score.metric: score.reason or "its value is not a number" for score in self.scores}
        self.mean = Figures(f"the attack '{attack}'", {s.metric: s.value for s in self.scores}, reasons)
        self.worst_case = Figures(
            f"the example that '{attack}' got most of", {s.metric: s.best for s in self.scores}, reasons
        )
        """The example that leaked most."""
        self.prior = Figures("the prior", {s.metric: s.baseline for s in self.scores}, dict.fromkeys(reasons, PRIOR))
        """The best constant guess without the update."""
        self.no_access = Figures(
            "the guess without access",
            {s.metric: s.no_access for s in self.scores},
            dict.fromkeys(reasons, NO_ACCESS),
        )
        """Public examples drawn at random; needs `auxiliary`."""

    def __getattr__(self, name: str) -> float:
        """The mean of the metric `name`, with `_` for `-`; raises `AssertionError` where there is none."""
        __tracebackhide__ = True
        if name.startswith("_") or name == "mean":
            raise AttributeError(name)
        return figure_of(self.mean, name)

    def __repr__(self) -> str:
        """One line, which pytest shows beside a failed comparison."""
        if self.guess.failure:
            return f"<{self.attack} failed: {self.guess.failure}>"
        words = [f"{s.metric} {_figure(s.value)} (prior {_figure(s.baseline)})" for s in self.scores]
        return f"<{self.attack}: {', '.join(words)}>"

    def __str__(self) -> str:
        """A table of the figures, whether the guess is proved, and what to do."""
        head = f"{'':<14}{'figure':>10}{'worst case':>12}{'prior':>10}{'no access':>13}"
        return "\n".join([self.attack, head, *map(_line, self.scores), *self._remarks()])

    def _remarks(self) -> list[str]:
        if self.guess.failure:
            return [f"no guess: {self.guess.failure}; an attack that fails shows nothing about the update"]
        proof = f"proved: {self.guess.certificate}" if self.certified else "not proved"
        note = [f"note: {self.guess.note}"] if self.guess.note else []
        return [f"the guess is {proof}", *note, ADVICE]


def _line(score: Score) -> str:
    arrow = "↑" if score.higher_is_better else "↓"
    figures = (score.value, score.best, score.baseline, score.no_access)
    widths = (10, 12, 10, 13)
    return f"{score.metric:<12} {arrow}" + "".join(f"{_figure(f):>{w}}" for f, w in zip(figures, widths, strict=True))


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
