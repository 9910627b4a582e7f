"""Experimental conditions: a task with a setting, what each defense is there, and which shares were told apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedleak.contracts.chain import Chain
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import listed, setting_in_words
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import Setting, setting_key
from fedleak.settings.base import Scalar
from fedleak.settings.server import ROW as SERVER
from fedleak.statistics.group import Group
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A task under one setting."""

    task: str
    setting: Setting = ()

    @classmethod
    def of(cls, task: str, setting: Mapping[str, Scalar]) -> "Condition":
        """The condition of a setting as rows and points have it."""
        return cls(task=task, setting=setting_key(setting))

    @property
    def words(self) -> str:
        """`photos-convnet, batch_size=4`."""
        return ", ".join(part for part in (self.task, setting_in_words(dict(self.setting))) if part)

    @property
    def place(self) -> "Condition":
        """The same whatever the server."""
        return Condition(task=self.task, setting=tuple((key, value) for key, value in self.setting if key != SERVER))


Tried = tuple[Condition, str]
"""A defense by name, where it was tried."""


def condition_of(group: Group) -> Condition:
    """Where a figure was measured."""
    return Condition(task=group.task, setting=group.setting)


def condition_of_row(row: Row | FederationRow) -> Condition:
    """Where a row was measured."""
    return Condition.of(row.task, row.setting)


def condition_of_point(point: Point) -> Condition:
    """Where the experiment of a point runs."""
    return Condition.of(point.experiment.task.label, point.setting)


def conditions_of(summaries: Iterable[Summary]) -> list[Condition]:
    """The conditions of a run, in the order of the results."""
    return list(dict.fromkeys(condition_of(summary.group) for summary in summaries))


def defended_in(campaign: Campaign) -> dict[Tried, bool]:
    """Each defense where it was tried, and whether there is anything in its chain: a name may mean either."""
    return {
        (condition_of_point(point), row.name): bool(row.chain)
        for point in campaign.points
        for row in point.experiment.defenses
    }


def chains_in(campaign: Campaign) -> dict[Tried, Chain]:
    """The chain of each defense where it was tried."""
    return {
        (condition_of_point(point), name): chain
        for point in campaign.points
        for name, chain in point.experiment.build_chains().items()
    }


def is_diagnostic(campaign: Campaign) -> bool:
    """Whether every message is one step on one example from fresh weights of an honest server."""
    return all(
        point.experiment.federation.training(batches=None).passes == 1
        and point.experiment.federation.batch_size == 1
        and point.experiment.federation.rounds == 1
        and point.experiment.model.checkpoint is None
        and not point.experiment.model.trained_rounds
        and point.experiment.server.honest
        for point in campaign.points
    )


def told_apart(experiments: Iterable[Experiment]) -> str:
    """`0.3 from 0.6 of “sex=Female”`, one after the other where there are several; empty where none was asked about."""
    asked = (experiment.adversary for experiment in experiments)
    words = dict.fromkeys(
        f"{listed((f'{share:g}' for share in one.shares), 'from')} of “{one.property}”" for one in asked if one.property
    )
    return listed(words)


def shares_sentence(words: str) -> str:
    """What a figure about shares is about, given such words; nothing where there are none."""
    if not words:
        return ""
    return (
        f"Shares of all that was trained on are told apart: {words}. The likeliest is right where it is the nearest to "
        "the true share; nothing is said of shares in between."
    )
