"""Groups of rows: what one figure is about, and the rows it is made from, installed metrics or not."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from fedleak.contracts.metric import Metric, metrics
from fedleak.errors import ConfigError
from fedleak.results.row import Row
from fedleak.results.schema import MODEL, Setting, Who, setting_key

Sender = Literal["client", "aggregate", "model", "active", "relay"]
"""Whether single updates were attacked, the sum that secure aggregation revealed, or a model that was released.

Of split training whose diary: a passive party's, which is a client, the active party's, or the relay's."""


SENDERS: tuple[Sender, ...] = get_args(Sender)


class Variant(NamedTuple):
    """An attack, by its label, on one kind of message."""

    task: str
    setting: Setting
    defense: str
    algorithm: str
    attack: str
    sender: Sender


@dataclass(frozen=True, kw_only=True)
class Group:
    """What one figure is about. Rows of one group differ in seed, round and client only."""

    task: str
    setting: Setting
    defense: str
    algorithm: str
    """The attack's registered name; `attack` is the label of its rows, which tells variants apart."""
    attack: str
    sender: Sender
    metric: str

    @property
    def variant(self) -> Variant:
        """The same for every metric."""
        return Variant(self.task, self.setting, self.defense, self.algorithm, self.attack, self.sender)

    @property
    def carrier(self) -> str:
        """What was attacked, in a word: a message of a round, or a model that left the federation."""
        return "model" if self.sender == MODEL else "message"


def sender_of(who: Who) -> Sender:
    """Of a client's number, `client`."""
    return who if isinstance(who, str) else "client"


def group_rows(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """The rows of each group, in the order of its first row."""
    members: dict[tuple[Variant, str], list[Row]] = {}
    for row in rows:  # a Group for each row would take longer than all the rest
        sender = sender_of(row.client)
        setting = setting_key(row.setting)
        variant = Variant(row.task, setting, row.defense, row.algorithm, row.attack, sender)
        members.setdefault((variant, row.metric), []).append(row)
    return {Group(**variant._asdict(), metric=metric): own for (variant, metric), own in members.items()}


def installed(metric: str) -> type[Metric] | None:
    """The metric; None for that of a plug-in that is not installed here."""
    try:
        return metrics.get(metric)
    except ConfigError:
        return None


def speaks(metric: str) -> bool:
    """Whether its figure may be a verdict, as that of one that is not installed may."""
    known = installed(metric)
    return known is None or known.speaks


def bounds_of(metric: str, rows: Iterable[Row] = ()) -> tuple[float, float]:
    """The least and the greatest value there can be, as far as is known; of rows, beside what guessing has in them."""
    known = installed(metric)
    if known is None:
        return (0.0, 1.0) if any(row.unit.startswith("share") for row in rows) else (-math.inf, math.inf)
    each = [known.bounds_beside(prior) for prior in {row.baseline for row in rows}] or [known.bounds]
    return min(low for low, _ in each), max(high for _, high in each)
