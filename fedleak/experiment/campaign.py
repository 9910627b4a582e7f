"""A campaign: one experiment for each combination of what varies, in the order of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fedleak.experiment.experiment import Experiment
from fedleak.results.schema import Split
from fedleak.settings.base import Scalar, Table


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of settings, with the attacks and defenses that are run there."""

    experiment: Experiment
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    """See `Row.setting`."""
    federation: str = ""
    """See `Row.federation`; points that differ only in what an attacker holds share one."""
    split: Split = "test"
    twin: str | None = None
    """The federation, by its folder, that is run beside it on the same seed with clean code; None: nobody tampers."""

    @property
    def untampered(self) -> "Point":
        """The point of the clean twin; itself where nobody tampers."""
        if self.twin is None:
            return self
        adversary = self.experiment.adversary.model_copy(update={"does": ()})
        experiment = self.experiment.model_copy(update={"adversary": adversary})
        return Point(experiment=experiment, setting=self.setting, federation=self.twin)

    @property
    def evaluated(self) -> bool:
        """Whether it is asked how good the model becomes: where results are reported, under the seeds named for that.

        Attacks are tuned on messages alone.
        """
        named = self.experiment.utility.seeds
        return self.split == "test" and (not named or self.experiment.seed in named)

    @property
    def rounds(self) -> int:
        """Of each of its federations, at most."""
        return self.experiment.rounds if self.evaluated else self.experiment.federation.rounds


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What `fedleak run` runs. A single experiment is a campaign of one point."""

    points: tuple[Point, ...]
    tree: Table
    """The file, every option written out; parsed again it gives the same campaign."""
    only_chosen: bool = False
    """Whether of an attack's variants only the one that tuning chose is run on the seeds of the results."""

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.points[0].experiment.name

    @property
    def reported(self) -> "Campaign":
        """Without points that only set thresholds, which leave figures of checks and no other row."""
        return replace(self, points=tuple(point for point in self.points if point.split != "calibration"))

    @property
    def first(self) -> Experiment:
        """The first point's experiment: what all points have in common can be read there."""
        return self.points[0].experiment


def distinct(campaign: Campaign) -> list[Experiment]:
    """One experiment for each list of attacks, defenses and metrics: of a big grid only these need to be built."""
    found: dict[str, Experiment] = {}
    for point in campaign.points:
        own = point.experiment
        found.setdefault(repr((own.attacks, own.defenses, own.metrics)), own)
    return list(found.values())
