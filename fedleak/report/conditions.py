"""What a run tried its defenses under: a task with a setting."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.experiment.campaign import Campaign
from fedleak.formatting import setting_in_words
from fedleak.results.row import AGGREGATE, Row, Who
from fedleak.statistics.group import Group, Sender, Setting
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A task under one setting."""

    task: str
    setting: Setting = ()

    @property
    def words(self) -> str:
        """`photos-convnet, batch_size=4`."""
        return ", ".join(part for part in (self.task, setting_in_words(dict(self.setting))) if part)


def condition_of(group: Group) -> Condition:
    """Where a figure was measured."""
    return Condition(task=group.task, setting=group.setting)


def condition_of_row(row: Row) -> Condition:
    """Where a row was measured."""
    return Condition(task=row.task, setting=tuple(sorted(row.setting.items())))


def conditions_of(summaries: Iterable[Summary]) -> list[Condition]:
    """The conditions of a run, in the order of the results."""
    return list(dict.fromkeys(condition_of(summary.group) for summary in summaries))


def defended_in(campaign: Campaign) -> dict[tuple[Condition, str], bool]:
    """Each defense where it was tried, and whether there is anything in its chain: a name may mean either."""
    return {
        (Condition(task=point.experiment.task, setting=tuple(sorted(point.setting.items()))), row.name): bool(row.chain)
        for point in campaign.points
        for row in point.experiment.defenses
    }


def defense_words(defense: str, who: Who | Sender) -> str:
    """The defense, and whether it is the sum that it revealed: `secure aggregation (sum)`."""
    return f"{defense} (sum)" if who == AGGREGATE else defense
