"""What a baseline measured and this run does not, and the other way round: neither can be compared."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fedleak.gate.measurement import Measurement
from fedleak.gate.measuring import Message, message_of
from fedleak.gate.selection import reasons_text
from fedleak.gate.subject import Subject
from fedleak.gate.verdict import NewFigures
from fedleak.results.row import Row
from fedleak.statistics.group import Group
from fedleak.statistics.intervals import counted
from fedleak.statistics.summary import summary_of

Groups = Mapping[Group, Sequence[Row]]


def figures_of(rows: Sequence[Row]) -> dict[Message, float]:
    """The figure of each message that has one."""
    return {message_of(row): row.value for row in rows if math.isfinite(row.value)}


def losses(news: Groups, olds: Groups) -> Iterator[str]:
    """A clause for each group whose figures are gone, all or some; seeds that this run does not have are left out."""
    seeds = {row.seed for rows in news.values() for row in rows}
    for group, old in olds.items():
        name = f"{group.metric} of {Subject(**group.variant._asdict())}"
        if group not in news and any(row.applicable for row in old):
            yield f"{name}: in the baseline and not in this run"
        elif group in news:
            had = [message for message in figures_of(old) if message[0] in seeds]
            lost = set(had) - figures_of(news[group]).keys()
            if lost:
                yield f"{name}: {_lost(len(lost), len(had), _reasons(news[group], lost))}"


def new_figures(news: Groups, olds: Groups) -> list[NewFigures]:
    """What came to nothing in the baseline and has a figure now, group by group, those that leaked first."""
    found = []
    for group in news:
        failed = {message_of(row) for row in olds.get(group, ()) if not math.isfinite(row.value)}
        rows = [row for row in news[group] if message_of(row) in failed and math.isfinite(row.value)]
        if rows:
            found.append(_new(group, rows))
    return sorted(found, key=lambda one: -one.leaked)


def _lost(lost: int, had: int, why: str) -> str:
    if lost == had:
        return f"{counted(had, 'message')} had a figure in the baseline and none has one now ({why})"
    return f"{lost} of {had} messages that had a figure in the baseline have none now ({why})"


def _reasons(rows: Sequence[Row], messages: set[Message]) -> str:
    reasons = {message_of(row): row.reason or "no reason given" for row in rows}
    return reasons_text(Counter(reasons.get(message, "not attacked") for message in messages).items())


def _new(group: Group, rows: Sequence[Row]) -> NewFigures:
    summary = summary_of(group, rows)
    measurement = Measurement(
        subject=Subject(**group.variant._asdict()),
        value=summary.mean,
        unit=summary.unit,
        interval=summary.interval,
        baselines={"prior": summary.prior, "no-gradient": summary.no_gradient},
        messages=summary.messages,
        seeds=summary.seeds,
        rows=tuple(rows),
    )
    return NewFigures(measurement=measurement, metric=group.metric, leaked=summary.leaked)
