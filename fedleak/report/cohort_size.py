"""Leak over cohort size: how many clients hide one client, where the server learns sums alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition
from fedleak.analysis.judgement import Judgement, judge
from fedleak.analysis.strongest import attackers, strongest
from fedleak.formatting import counted, listed
from fedleak.report.convergence import SERIES, Lines, lines_of
from fedleak.statistics.summary import Summary

CLIENTS = "federation.clients"
"""The setting that has to vary."""
GUESSING = "guessing (prior)"
Sizes = Mapping[int, Sequence[Summary]]
"""The figures of all attacks, by clients in a sum."""


@dataclass(frozen=True, kw_only=True)
class CohortCurve:
    """One defense in one setting, over cohorts of several sizes."""

    chart: Lines | None
    sentence: str
    """What was rebuilt from sums over how many, for the verdict."""


def cohort_curves(summaries: Iterable[Summary], metric: str | None) -> list[CohortCurve]:
    """A curve for each defense and setting under which sums over cohorts of several sizes were attacked.

    Of images, by their one metric; nothing else is rebuilt from a sum client by client.
    """
    found: dict[tuple[Condition, str], dict[int, list[Summary]]] = {}
    for summary in summaries:
        group = summary.group
        clients = dict(group.setting).get(CLIENTS)
        if group.sender == "aggregate" and group.metric == metric and isinstance(clients, int):
            rest = tuple((key, value) for key, value in group.setting if key != CLIENTS)
            place = Condition(task=group.task, setting=rest), group.defense
            found.setdefault(place, {}).setdefault(clients, []).append(summary)
    return [_curve(*place, dict(sorted(sizes.items()))) for place, sizes in found.items() if len(sizes) > 1]


def _curve(where: Condition, defense: str, sizes: Sizes) -> CohortCurve:
    unit = next(iter(sizes.values()))[0]
    title = f"{where.words}, {defense}: {unit.group.metric}{f' in {unit.unit}' if unit.unit else ''}"
    names = dict.fromkeys(one.group.attack for own in sizes.values() for one in attackers(own))
    lines = {
        name: [(float(n), one.mean) for n, own in sizes.items() for one in own if one.group.attack == name]
        for name in list(names)[: SERIES - 1]
    }
    priors = {size: [one.prior for one in own if not math.isnan(one.prior)] for size, own in sizes.items()}
    lines[GUESSING] = [(float(size), found[0]) for size, found in priors.items() if found]
    chart = lines_of(title, "clients in a sum", lines)
    return CohortCurve(chart=chart, sentence=f"{where.words}, {defense}: {_sentence(sizes)}")


def _sentence(sizes: Sizes) -> str:
    worst = {size: strongest(own) for size, own in sizes.items()}
    leaked = {size: one for size, one in worst.items() if one is not None and judge(one) is Judgement.LEAKED}
    most = counted(max(sizes), "client")
    if not leaked:
        return (
            f"these attackers rebuilt no image from a sum over {min(sizes)} to {most}; that is what was tried, and no "
            "proof that larger batches, other networks or attackers change nothing"
        )
    share = listed(f"{one.leaked} of {len(one.samples)} from {size}" for size, one in leaked.items())
    if len(leaked) == len(sizes):
        return f"summing hides nothing here, up to {most}: images were rebuilt from every sum ({share})"
    spared = [size for size in sizes if size not in leaked and size > max(leaked)]
    rest = f", and by these attackers none from {spared[0]} or more" if spared else ""
    return f"images were rebuilt from sums over up to {counted(max(leaked), 'client')} ({share}){rest}"
