"""Servers in the report: what each of them does and takes, what it recovered under each defense, and who saw it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.accounting.mechanism import cohort_of
from fedleak.analysis.conditions import Condition, condition_of_point, condition_of_row
from fedleak.analysis.judgement import BASELINES
from fedleak.analysis.loot import loot_of
from fedleak.analysis.recovered import PSNR
from fedleak.contracts.chaining import only_watches
from fedleak.contracts.manipulated import built
from fedleak.contracts.observation import Observation
from fedleak.contracts.view import View
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, listed, opening, options_words
from fedleak.report.recovered import MEMBERS, members_words, nothing_words, recovered_words
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.seen import Seen, seen_in
from fedleak.settings.server import HONEST


@dataclass(frozen=True, kw_only=True)
class ServerVerdict:
    """What one server got under one defense in one setting."""

    server: str
    where: str
    """The setting without the server."""
    defense: str
    exact: int
    """Examples at `EXACT` or more, by the attack that has most of them."""
    asked: int
    """Examples that this attack was after."""
    sentence: str


def reader_of(view: type[View], experiments: Iterable[Experiment]) -> str:
    """Who holds such views, for the threat model; of a server that manipulates, that it does."""
    cheats = any(not experiment.server.honest for experiment in experiments)
    return Observation.cheating if view is Observation and cheats else view.reader


def server_facts(experiments: Iterable[Experiment]) -> Iterator[tuple[str, str]]:
    """For each server that manipulates, what it does and what that takes, as a term and words."""
    servers = dict.fromkeys(
        (experiment.server.name, built(experiment.server.chain), experiment.server.begins)
        for experiment in experiments
        if not experiment.server.honest
    )
    for name, does, begins in servers:
        deeds = "; ".join(f"{one.deed} ({one.name}{options_words(one.options())})" for one in does)
        takes = listed(dict.fromkeys(one.takes for one in does))
        since = f", from round {begins} on" if begins > 1 else ""
        yield f"the server “{name}”", f"{opening(deeds)}{since}. It takes {takes}."


def server_verdicts(
    campaign: Campaign, rows: Iterable[Row], federations: Iterable[FederationRow], example: str = "example"
) -> Iterator[ServerVerdict]:
    """What each server recovered under each defense; nothing where all servers of the campaign are honest."""
    points = {condition_of_point(point): point for point in campaign.points if point.split == "test"}
    if all(point.experiment.server.honest for point in points.values()):
        return
    told: dict[tuple[Condition, str], list[Row]] = {}
    for row in rows:
        if row.split == "test" and row.metric in (PSNR, MEMBERS) and row.algorithm not in BASELINES:
            told.setdefault((condition_of_row(row), row.defense), []).append(row)
    rounds: dict[tuple[Condition, str], list[FederationRow]] = {}
    for one in federations:
        if one.split == "test" and one.recorded:
            rounds.setdefault((condition_of_row(one), one.defense), []).append(one)
    for condition, point in points.items():
        begins = 1 if point.experiment.server.honest else point.experiment.server.begins
        for defense in point.experiment.defenses:
            own = [row for row in told.get((condition, defense.name), []) if row.round >= begins]
            played = [row for row in rounds.get((condition, defense.name), []) if row.round >= begins]
            yield _verdict(point, defense.name, own, played, _calm(point, rounds, defense.name), example)


def _calm(
    point: Point, rounds: Mapping[tuple[Condition, str], Sequence[FederationRow]], defense: str
) -> list[FederationRow]:
    """Rounds in which clients were sent a mean: of the honest server, else those before this one began.

    Combinations that differ in their name alone, as they are attacked in other ways, have the same federations.
    """
    alike = _unnamed(condition_of_point(point))
    beside = [
        row
        for (condition, name), own in rounds.items()
        if name == defense and _unnamed(condition) == alike
        for row in own
        if not row.manipulated
    ]
    honest = [row for row in beside if row.server == HONEST]
    before = [row for row in beside if row.server == point.experiment.server.name]
    return honest or [row for row in before if row.round < point.experiment.server.begins]


def _unnamed(condition: Condition) -> Condition:
    """The setting without the server and the name of its combination."""
    place = condition.place
    return Condition(task=place.task, setting=tuple((key, value) for key, value in place.setting if key != "vary"))


def _verdict(
    point: Point,
    defense: str,
    rows: Sequence[Row],
    played: Sequence[FederationRow],
    calm: Sequence[FederationRow],
    example: str,
) -> ServerVerdict:
    loot = loot_of(row for row in rows if row.metric == PSNR)
    members = members_words(point, rows)
    found = [recovered_words(point, loot, example)] if loot else []
    found += [members] if members else []
    refused = _refused_lie(point, played)
    lost = sum(row.lost for row in played)
    also = f", and {lost} of {counted(len(played), 'round')} lost" if found and lost else ""
    also += f"; {counted(loot.silent, 'message')} without a figure" if loot and loot.silent else ""
    seen = f"; {by}" if (by := _seen(point, defense, played, calm)) else ""
    return ServerVerdict(
        server=point.experiment.server.name,
        where=condition_of_point(point).place.words,
        defense=defense,
        exact=loot.exact if loot else 0,
        asked=loot.asked if loot else 0,
        sentence=f"{opening(refused + ('; '.join(found) or nothing_words(rows, played)))}{also}{seen}.",
    )


def _refused_lie(point: Point, played: Sequence[FederationRow]) -> str:
    """That clients did not believe what the server said in its protocol, in front of what was left; else nothing.

    Where every round was lost, that is said as the reason.
    """
    refused = sum(row.disbelieved > 0 for row in played)
    if not refused or all(row.lost for row in played):
        return ""
    if refused < len(played):
        return f"the lie was refused in {refused} of {len(played)} rounds; "
    alone = all(one.lies for one in built(point.experiment.server.chain))
    return f"the lie was refused{', which leaves what an honest server gets' if alone else ''}: "


def _seen(point: Point, defense: str, played: Sequence[FederationRow], calm: Sequence[FederationRow]) -> str:
    """By which checks it was seen, how often, and how often these raise an alarm where nothing is to be seen."""
    found = _alarms_of(played)
    if not found:
        return "no check saw anything" if any(map(only_watches, point.experiment.build_chains()[defense])) else ""
    experiment = point.experiment
    honest, cohort, usual = experiment.server.honest, cohort_of(experiment.federation), _alarms_of(calm)
    said = []
    for check, alarms in found.items():
        words = f"{check} at {_share(alarms, cohort, len(played))}"
        if experiment.federation.rounds > 1:
            words += f", first in round {min(row.round for row, _ in alarms)}"
        if not honest and calm:
            words += f" (of honest rounds at {_share(usual.get(check, []), cohort, len(calm))})"
        said.append(words)
    beside = "" if honest or calm else "; there is no honest round to compare with"
    return f"{'false alarms' if honest else 'seen'} by {listed(said)}{beside}"


def _alarms_of(rows: Iterable[FederationRow]) -> dict[str, list[tuple[FederationRow, Seen]]]:
    """By check the rounds in which it raised an alarm."""
    found: dict[str, list[tuple[FederationRow, Seen]]] = {}
    for row in rows:
        for seen in seen_in(row.seen):
            found.setdefault(seen.check, []).append((row, seen))
    return found


def _share(alarms: Sequence[tuple[FederationRow, Seen]], cohort: int, rounds: int) -> str:
    """`3 of 16 clients in 1 of 2 rounds`: each client counts once a round."""
    clients = f"{sum(seen.clients for _, seen in alarms)} of {counted(cohort * rounds, 'client')}"
    return clients if rounds == 1 else f"{clients} in {len(alarms)} of {counted(rounds, 'round')}"
