"""Experimental conditions: a task with a setting, and what each defense is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedleak.contracts.chain import Chain
from fedleak.experiment.campaign import Campaign, Point
from fedleak.formatting import setting_in_words
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import Setting, setting_key
from fedleak.settings.base import Scalar
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
    """Whether every message is one step on one example from fresh weights: the easiest case for an attacker."""
    return all(
        point.experiment.federation.training(batches=None).passes == 1
        and point.experiment.federation.batch_size == 1
        and point.experiment.federation.rounds == 1
        and point.experiment.model.checkpoint is None
        and not point.experiment.model.trained_rounds
        for point in campaign.points
    )
