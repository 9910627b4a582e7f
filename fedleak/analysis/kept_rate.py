"""Kept rate: whether checks raise no more false alarms than their thresholds are set to, and where they raise more."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from fedleak.analysis.detection import FalseAlarms
from fedleak.formatting import listed, number


def kept_rate(alarms: Sequence[FalseAlarms], rate: float) -> Iterator[str]:
    """A sentence for each check on each task; every kind of training that is above the rate is named.

    The rate is of all kinds together, as thresholds are: nobody knows of a model which kind it comes from.
    """
    checks: dict[tuple[str, str, str], list[FalseAlarms]] = {}
    for one in alarms:
        checks.setdefault((one.task, one.defense, one.check), []).append(one)
    for (task, defense, check), own in checks.items():
        share = fmean(one.rate.mean for one in own)
        kept = "keeps to its rate of false alarms" if share <= rate else "does not keep to its rate of false alarms"
        words = f"{check} {kept}, {number(rate)}: it takes {number(share)} of honest models of other seeds for crafted"
        above = [f"“{one.where}” ({number(one.rate.mean)})" for one in own if one.rate.mean > rate]
        more = f"; more in {listed(above)}" if above and len(own) > 1 else ""
        place = ", ".join(
            [
                *([task] if len({one.task for one in alarms}) > 1 else []),
                *([f"“{defense}”"] if len({one.defense for one in alarms}) > 1 else []),
            ]
        )
        yield f"{place}: {words}{more}." if place else f"{words}{more}."
