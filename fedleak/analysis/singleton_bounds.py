"""Bounds by chance: how many images an imprint's readout may give back exactly, and how many came.

At one local step each bin of the planted layer gives back one image at most: the one that is alone in it, and of a few
mixtures that one which weighs far more than the others. Of a network that was trained these are no few, as examples
that are learned hardly move their bin; but more images than bins that hold any are never given back.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from fedleak.analysis.conditions import Condition, condition_of, condition_of_point
from fedleak.analysis.recovered import EXACT, PSNR
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import bins_read, built
from fedleak.errors import BoundError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, setting_in_words
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.samples import Samples
from fedleak.statistics.singletons import most_together, returned_distribution

READOUT = "imprint-readout"
"""The attack that reads nothing but bins."""
CHANCE = 1e-3
"""How often a figure may go beyond its bound by chance."""
MIXED = 0.06
"""Mixtures of two images that pass for one of them by fresh weights, as a share: the most that was found on three
networks, of 6,048 pairs each."""


@dataclass(frozen=True, kw_only=True)
class SingletonBound:
    """What a readout gave back of the messages of one round, in all seeds, beside what chance leaves to be read."""

    group: Group
    round: int
    exact: int
    """Images at `EXACT` or more that guessing does not have."""
    asked: int
    """Images behind the messages."""
    expected: float
    """How many chance leaves to be read on average, where all bins are equally likely."""
    most: int
    """Beyond that it goes once in 1,000 figures."""
    fresh: bool
    """Whether the network was never trained, so that hardly any image comes back that is not alone in its bin."""

    @property
    def where(self) -> str:
        """Which result this is about."""
        source = "on the sum" if self.group.sender == AGGREGATE else "on single updates"
        place = ", ".join(filter(None, [self.group.task, setting_in_words(dict(self.group.setting))]))
        return f"{self.group.attack} {source} under {self.group.defense} ({place}), round {self.round}"

    @property
    def sentence(self) -> str:
        """`64 of 64 images came back exactly, where ...`."""
        left = "are expected alone in a bin, or nearly" if self.fresh else "bins are expected to hold an image"
        return (
            f"{self.exact} of {counted(self.asked, 'image')} came back exactly ({EXACT:g} dB or more), where "
            f"{self.expected:.1f} {left}, and more than {self.most} are once in 1,000 figures"
        )

    def require(self) -> None:
        """Raises `BoundError` where more came back than can be read."""
        if self.exact > self.most:
            raise BoundError(
                f"a readout gave back more than chance leaves to be read, so the readout or the scoring of this run is "
                f"wrong, or the truth leaked to the attack: {self.sentence}"
            )


def singleton_bounds(rows: Iterable[Row], campaign: Campaign) -> list[SingletonBound]:
    """Every readout of an imprint that one local step moved, round by round."""
    experiments = {condition_of_point(point): point.experiment for point in campaign.points}
    if all(experiment.server.honest for experiment in experiments.values()):
        return []
    readouts = [one for one in rows if one.split == "test" and one.algorithm == READOUT and one.metric == PSNR]
    return [bound for group, own in group_rows(readouts).items() for bound in _bounds(group, own, experiments)]


def _bounds(group: Group, rows: Sequence[Row], experiments: Mapping[Condition, Experiment]) -> Iterator[SingletonBound]:
    """One for each round, so that no two of its messages have an example in common; all together err as one may."""
    experiment = experiments[condition_of(group)]
    bins, server = bins_read(built(experiment.server.chain)), experiment.server
    if bins is None or not _one_step(experiment, group.defense):
        return
    model = experiment.model
    fresh = model.checkpoint is None and not model.trained_rounds and server.begins == 1
    rounds = sorted({row.round for row in rows if row.per_sample and row.round >= server.begins})
    for round in rounds:
        own = [row for row in rows if row.per_sample and row.round == round]
        draws = [distribution(row.samples, bins, fresh=fresh) for row in own]
        yield SingletonBound(
            group=group,
            round=round,
            exact=int(Samples.of(own).leaked(EXACT, 0.0).sum()),
            asked=sum(row.samples for row in own),
            expected=math.fsum(draw @ np.arange(len(draw)) for draw in draws),
            most=most_together(draws, CHANCE / len(rounds)),
            fresh=fresh,
        )


def distribution(examples: int, bins: int, *, fresh: bool) -> Float64[np.ndarray, " counts"]:
    """How many of a message's examples come back, of the bins that leave the most to be read.

    Equal ones hold something oftenest. Where there are more examples than bins those leave the most alone that have the
    share of one example each.
    """
    if fresh:
        return returned_distribution(examples, max(bins, examples), bins, MIXED)
    return returned_distribution(examples, bins, mixed=1.0)


def _one_step(experiment: Experiment, defense: str) -> bool:
    """Whether each client took one step on one batch."""
    chains: Mapping[str, Chain] = experiment.build_chains()
    return chains[defense].settings(experiment.federation).training().passes == 1
