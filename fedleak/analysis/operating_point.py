"""Operating point: how accurate a model is and what it cost, and whether what leaked was measured in that setting."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fedleak.contracts.chain import Chain
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted
from fedleak.results.federation_row import FederationRow
from fedleak.settings.federation import FederationSettings
from fedleak.statistics.intervals import ANYTHING, Interval, Units, of_mean


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over seeds with its interval; NaN where nothing was measured."""

    mean: float
    interval: Interval

    @classmethod
    def of(cls, values: Mapping[int, float], bounds: tuple[float, float] = ANYTHING) -> "Figure":
        """Of one value for each seed, within bounds."""
        known = {seed: value for seed, value in values.items() if math.isfinite(value)}
        mean = math.fsum(known.values()) / len(known) if known else math.nan
        return cls(mean=mean, interval=of_mean(Units.of(list(known.values()), list(known)), bounds))


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """Where a defense's leak and its accuracy come from."""

    differs: str
    """How the two settings differ, in words; empty where leak and accuracy are of one setting."""
    attacked: str
    """`round 1 (fresh weights)`: when the messages were sent that are attacked."""
    rounds: tuple[int, ...]
    """After which the accuracy was measured, for each seed its own."""
    rising: int
    """In how many of the seeds training ended although the accuracy may still have risen."""

    @classmethod
    def of(cls, experiment: Experiment, chain: Chain, rounds: Sequence[FederationRow]) -> "OperatingPoint":
        """The operating point of a defense, from the rounds of its federations."""
        last = [own[-1] for own in plateaus(rounds).values()]
        return cls(
            differs="; ".join(_differences(experiment, chain)) if last else "",
            attacked=_attacked(experiment),
            rounds=tuple(row.round for row in last),
            rising=sum(not row.settled for row in last),
        )

    @property
    def one(self) -> bool:
        """Whether leak and accuracy belong together."""
        return not self.differs

    @property
    def sentence(self) -> str:
        """All of it: `attacked in round 1 (fresh weights); accuracy after round 260, where it no longer rose`."""
        parts = [f"two settings: {self.differs}"] if self.differs else []
        parts += [f"attacked in {self.attacked}", *([f"accuracy after {self.evaluated}"] if self.rounds else [])]
        return "; ".join(parts)

    @property
    def evaluated(self) -> str:
        """`rounds 240 to 260, where it no longer rose`."""
        first, last = min(self.rounds), max(self.rounds)
        when = f"round {last}" if first == last else f"rounds {first} to {last}"
        if not self.rising:
            return f"{when}, where it no longer rose"
        some = f" in {self.rising} of {len(self.rounds)} seeds" if self.rising < len(self.rounds) else ""
        return f"{when}, where it may still rise{some}"


def plateaus(rows: Iterable[FederationRow]) -> dict[int, list[FederationRow]]:
    """By seed the rounds whose mean accuracy is that of the defense: those since it no longer rose, or else the last.

    Between rounds of few examples an accuracy goes up and down, so one round of a plateau says little.
    """
    evaluated: dict[int, list[FederationRow]] = {}
    for row in sorted(rows, key=lambda one: one.round):
        if not math.isnan(row.accuracy):
            evaluated.setdefault(row.seed, []).append(row)
    return {seed: own[-max(own[-1].settled, 1) :] for seed, own in evaluated.items()}


def accuracy_of(rows: Iterable[FederationRow]) -> Figure:
    """Accuracy of each seed where it no longer rose, or after its last evaluation; the interval ends at 0 and 1."""
    return Figure.of({seed: fmean(row.accuracy for row in own) for seed, own in plateaus(rows).items()}, (0.0, 1.0))


def trivial_of(rows: Iterable[FederationRow]) -> Figure:
    """The same of a classifier that always names the commonest class."""
    return Figure.of({seed: own[-1].trivial for seed, own in plateaus(rows).items()})


def cost_of(rows: Iterable[FederationRow], cost: Callable[[FederationRow], float]) -> Figure:
    """The mean over a seed's recorded rounds."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.recorded and math.isfinite(cost(row)):
            found.setdefault(row.seed, []).append(cost(row))
    return Figure.of({seed: math.fsum(values) / len(values) for seed, values in found.items()})


def finished(rows: Iterable[FederationRow], last: int) -> set[int]:
    """The seeds whose federation was trained to the last round, or until its accuracy no longer rose."""
    return {seed for seed, own in plateaus(rows).items() if own[-1].settled or own[-1].round == last}


def _differences(experiment: Experiment, chain: Chain) -> Iterable[str]:
    """Ways in which the model whose accuracy counts was trained otherwise than by the messages that are attacked."""
    if experiment.model.trained_rounds:
        yield f"accuracy: {counted(experiment.model.trained_rounds, 'round')} of training without the defense among it"
    attacked, *later = (chain.settings(phase) for phase in experiment.phases)
    for trained in later:
        of_attacked, of_trained = _training(attacked, trained), _training(trained, attacked)
        if of_attacked != of_trained:
            yield f"leak: {of_attacked}; accuracy: {of_trained}"


def _training(own: FederationSettings, other: FederationSettings) -> str:
    """`1 step of 1 example`, and the options of the optimizer that the other one has otherwise."""
    options = {
        name.replace("_", " "): getattr(own, name)
        for name in ("learning_rate", "momentum")
        if getattr(own, name) != getattr(other, name)
    }
    return ", ".join([_steps(own), *(f"{name} {value:g}" for name, value in options.items())])


def _steps(own: FederationSettings) -> str:
    of = counted(own.batch_size, "example")
    if own.batches == "all":
        return f"{counted(own.epochs, 'epoch')} in batches of {of}"
    return f"{counted(own.batches * own.epochs, 'step')} of {of}"


def _attacked(experiment: Experiment) -> str:
    rounds = experiment.federation.rounds
    when = "round 1" if rounds == 1 else f"rounds 1 to {rounds}"
    if experiment.model.checkpoint is not None:
        return f"{when} (weights from a checkpoint)"
    if experiment.model.trained_rounds:
        return f"{when} (after {counted(experiment.model.trained_rounds, 'round')} that nobody attacks)"
    return f"{when} (fresh weights)"
