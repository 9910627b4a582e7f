"""What a run tried its defenses under: a task with a setting; and which figure stands for leakage there."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedleak.errors import ConfigError
from fedleak.metric import Metric, metrics
from fedleak.report.judgement import badness
from fedleak.results import AGGREGATE, Row, Who
from fedleak.statistics.group import Group, Sender, Setting
from fedleak.statistics.summary import Summary
from fedleak.statistics.tuning import attack_name
from fedleak.words import setting_in_words


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


def conditions_of(summaries: Iterable[Summary]) -> list[Condition]:
    """The conditions of a run, in the order of the results."""
    return list(dict.fromkeys(condition_of(summary.group) for summary in summaries))


def setting_of(row: Row) -> Setting:
    """The setting of a row as groups have it."""
    return tuple(sorted(row.setting.items()))


def metric_named(name: str) -> type[Metric] | None:
    """The metric, None where it is a plug-in that is not installed here."""
    try:
        return metrics.get(name)
    except ConfigError:
        return None


def kind_of(metric: str) -> str:
    """Whether a metric judges `inputs` or `labels`; of one that is not installed, `unknown`."""
    known = metric_named(metric)
    return "unknown" if known is None else known.compares


def headline(summaries: Iterable[Summary], kind: str) -> str | None:
    """The first metric on such things that has a figure anywhere: the one that the page speaks in."""
    measured = dict.fromkeys(s.group.metric for s in summaries if not math.isnan(s.mean))
    return next((metric for metric in measured if kind_of(metric) == kind), None)


def eligible(summaries: Sequence[Summary]) -> list[Summary]:
    """Without the variants of an attack that tuning seeds did not choose: the best of many on test seeds is luck."""
    tuned = {_contest(summary.group) for summary in summaries if summary.tuned}
    return [summary for summary in summaries if summary.tuned or _contest(summary.group) not in tuned]


def strongest(summaries: Sequence[Summary]) -> Summary | None:
    """The summary that leaked most."""
    return min(summaries, key=badness, default=None)


def defense_words(defense: str, who: Who | Sender) -> str:
    """The defense, and whether it is the sum that it revealed: `secure aggregation (sum)`."""
    return f"{defense} (sum)" if who == AGGREGATE else defense


def _contest(group: Group) -> object:
    return group.variant._replace(attack=attack_name(group.attack))
