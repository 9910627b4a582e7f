"""Leak over cohort size: how many clients hide one client, where the server learns sums alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fedleak.accounting.mechanism import cohort_of
from fedleak.analysis.conditions import Condition, Tried, condition_of, condition_of_point
from fedleak.analysis.evidence import example_of
from fedleak.analysis.judgement import Judgement, judge
from fedleak.analysis.strongest import attackers, strongest
from fedleak.experiment.campaign import Campaign
from fedleak.formatting import counted, listed, plural
from fedleak.report.convergence import SERIES, Lines, lines_of
from fedleak.settings.federation import FederationSettings
from fedleak.statistics.summary import Summary

CLIENTS = "federation.clients"
"""The setting that has to vary."""
GUESSING = "guessing (prior)"
STAYED = "; some clients were made to leave, and sums are over those that stayed"
Federations = Mapping[Condition, FederationSettings]
Sizes = Mapping[int, Sequence[Summary]]
"""The figures of all attacks, by clients that are asked in a round; none where a size has no figure."""


@dataclass(frozen=True, kw_only=True)
class CohortCurve:
    """One defense in one setting, over cohorts of several sizes."""

    chart: Lines | None
    sentence: str
    """From rounds of how many clients something was rebuilt, for the verdict."""


def cohort_curves(campaign: Campaign, summaries: Iterable[Summary], metric: str | None) -> list[CohortCurve]:
    """A curve for each defense and setting under which sums over cohorts of several sizes were attacked.

    Of examples, by their one metric; nothing else is rebuilt from a sum client by client.
    """
    found: dict[Tried, list[Summary]] = {}
    for summary in summaries:
        if summary.group.sender == "aggregate" and summary.group.metric == metric:
            found.setdefault((condition_of(summary.group), summary.group.defense), []).append(summary)
    curves, example = [], example_of(campaign)
    for (where, defense), federations in _families(campaign).items():
        sizes = _sizes(federations, {condition: found.get((condition, defense), []) for condition in federations})
        if sum(map(bool, sizes.values())) > 1:
            stayed = STAYED if any(federation.dropouts for federation in federations.values()) else ""
            curves.append(_curve(f"{where.words}, {defense}", sizes, example, stayed))
    return curves


def _families(campaign: Campaign) -> dict[Tried, dict[Condition, FederationSettings]]:
    """Each defense under the settings that differ in the number of clients alone."""
    families: dict[Tried, dict[Condition, FederationSettings]] = {}
    for point in campaign.points:
        condition = condition_of_point(point)
        rest = tuple((key, value) for key, value in condition.setting if key != CLIENTS)
        for row in point.experiment.defenses:
            family = families.setdefault((replace(condition, setting=rest), row.name), {})
            family[condition] = point.experiment.federation
    return families


def _sizes(federations: Federations, found: Mapping[Condition, Sequence[Summary]]) -> Sizes:
    sizes: dict[int, list[Summary]] = {}
    for condition, federation in federations.items():
        sizes.setdefault(cohort_of(federation), []).extend(found[condition])
    return dict(sorted(sizes.items()))


def _curve(title: str, sizes: Sizes, example: str, stayed: str) -> CohortCurve:
    first, *_ = (one for own in sizes.values() for one in own)
    unit = f" in {first.unit}" if first.unit else ""
    names = dict.fromkeys(one.group.attack for own in sizes.values() for one in attackers(own))
    lines = {
        name: [(float(n), one.mean) for n, own in sizes.items() for one in own if one.group.attack == name]
        for name in list(names)[: SERIES - 1]
    }
    priors = {size: [one.prior for one in own if not math.isnan(one.prior)] for size, own in sizes.items()}
    lines[GUESSING] = [(float(size), found[0]) for size, found in priors.items() if found]
    chart = lines_of(f"{title}: {first.group.metric}{unit}", "clients asked in a round", lines)
    return CohortCurve(chart=chart, sentence=f"{title}: {_sentence(sizes, example)}{stayed}")


def _sentence(sizes: Sizes, example: str) -> str:
    """What was found where there are figures, and where there are none."""
    worst = {size: strongest(own) for size, own in sizes.items()}
    judged = {size: one for size, one in worst.items() if one is not None and judge(one) is not Judgement.MISSING}
    unknown = [str(size) for size in sizes if size not in judged]
    missing = f"no attack has a figure for rounds of {listed(unknown)} clients" if unknown else ""
    return "; ".join(filter(None, [_finding(judged, example) if judged else "", missing]))


def _finding(judged: Mapping[int, Summary], example: str) -> str:
    leaked = {size: one for size, one in judged.items() if judge(one) is Judgement.LEAKED}
    if not leaked:
        return (
            f"these attackers rebuilt no {example} from rounds of {listed(map(str, judged), 'or')} clients; that is "
            "what was tried, and no proof that larger batches, other networks or attackers change nothing"
        )
    share = listed(f"{one.leaked} of {len(one.samples)} from {size}" for size, one in leaked.items())
    most = counted(max(leaked), "client")
    if len(leaked) == len(judged):
        return (
            f"summing hides nothing here, up to {most}: {plural(example)} were rebuilt from rounds of every size "
            f"judged ({share})"
        )
    spared = [str(size) for size in judged if size > max(leaked)]
    rest = f", and by these attackers none from {listed(spared, 'or')}" if spared else ""
    return f"{plural(example)} were rebuilt from rounds of up to {most} ({share}){rest}"
