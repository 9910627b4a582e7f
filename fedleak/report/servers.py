"""Servers in the report: what each of them does and takes, what it recovered under each defense, and who saw it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.accounting.mechanism import cohort_of
from fedleak.analysis.conditions import Condition, condition_of_point, condition_of_row
from fedleak.analysis.judgement import BASELINES
from fedleak.analysis.singleton_bounds import READOUT
from fedleak.contracts.manipulated import built, expected_alone
from fedleak.contracts.observation import Observation
from fedleak.contracts.view import View
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, listed, opening, options_words
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.results.seen import Seen, seen_in
from fedleak.settings.server import HONEST
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.summary import summary_of

EXACT = 40.0
"""Decibels of PSNR from which on an image is told as exact."""
REASONS = 2
"""Reasons of attacks without a figure that are written out, the commonest first."""


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
    images: dict[tuple[Condition, str], list[Row]] = {}
    for row in rows:
        if row.split == "test" and row.metric == "psnr" and row.algorithm not in BASELINES:
            images.setdefault((condition_of_row(row), row.defense), []).append(row)
    rounds: dict[tuple[Condition, str], list[FederationRow]] = {}
    for one in federations:
        if one.split == "test" and one.recorded:
            rounds.setdefault((condition_of_row(one), one.defense), []).append(one)
    for condition, point in points.items():
        begins = 1 if point.experiment.server.honest else point.experiment.server.begins
        for defense in point.experiment.defenses:
            own = [row for row in images.get((condition, defense.name), []) if row.round >= begins]
            played = [row for row in rounds.get((condition, defense.name), []) if row.round >= begins]
            yield _verdict(point, defense.name, own, played, _calm(point, rounds, defense.name), example)


def _calm(
    point: Point, rounds: Mapping[tuple[Condition, str], Sequence[FederationRow]], defense: str
) -> list[FederationRow]:
    """Rounds in which clients were sent a mean: of the honest server, else those before this one began."""
    beside = [
        row
        for (condition, name), own in rounds.items()
        if name == defense and condition.place == condition_of_point(point).place
        for row in own
        if not row.manipulated
    ]
    honest = [row for row in beside if row.server == HONEST]
    before = [row for row in beside if row.server == point.experiment.server.name]
    return honest or [row for row in before if row.round < point.experiment.server.begins]


def _verdict(
    point: Point,
    defense: str,
    rows: Sequence[Row],
    played: Sequence[FederationRow],
    calm: Sequence[FederationRow],
    example: str,
) -> ServerVerdict:
    groups = {group: own for group, own in group_rows(rows).items() if any(math.isfinite(row.value) for row in own)}
    group = max(groups, key=lambda one: _order(groups[one]), default=None)
    scored = [row for row in groups[group] if math.isfinite(row.value)] if group else []
    found = _recovered(point, group, scored, example) if group else _nothing(rows, played)
    lost = sum(row.lost for row in played)
    also = f", and {lost} of {counted(len(played), 'round')} lost" if group and lost else ""
    silent = len(groups[group]) - len(scored) if group else 0
    also += f"; {counted(silent, 'message')} without a figure" if silent else ""
    return ServerVerdict(
        server=point.experiment.server.name,
        where=condition_of_point(point).place.words,
        defense=defense,
        exact=_exact(scored),
        asked=sum(len(row.per_sample) for row in scored),
        sentence=f"{opening(found)}{also}; {_seen(point, played, calm)}.",
    )


def _exact(rows: Iterable[Row]) -> int:
    return sum(value >= EXACT for row in rows for value in row.per_sample)


def _order(rows: Sequence[Row]) -> tuple[float, int, float]:
    """Attacks by the share that is exact, then by how many are, then by the best of their guesses."""
    asked = sum(len(row.per_sample) for row in rows if math.isfinite(row.value))
    best = max(row.best for row in rows if math.isfinite(row.value))
    return _exact(rows) / max(asked, 1), _exact(rows), best


def _recovered(point: Point, group: Group, rows: Sequence[Row], example: str) -> str:
    clients = counted(point.experiment.federation.clients, "client")
    source = f"from {counted(len(rows), 'single update')}"
    if group.sender == AGGREGATE:
        sums = f"{len(rows)} sums" if len(rows) > 1 else "the sum"
        source = f"through {sums} over {clients}"
    summary = summary_of(group, rows)
    asked = counted(sum(len(row.per_sample) for row in rows), example)
    exact, leaked = _exact(rows), summary.leaked
    if exact:
        return f"recovers {exact} of {asked} exactly {source} ({group.attack}){_alone(point, group, rows)}"
    if leaked:
        return (
            f"rebuilds {leaked} of {asked} {source}, none exactly: {summary.worst_case:.1f} dB at best ({group.attack})"
        )
    return f"nothing beyond guessing of {asked} {source} ({group.attack} has most)"


def _alone(point: Point, group: Group, rows: Sequence[Row]) -> str:
    """Of an imprint: the share of examples that chance leaves alone in their bins."""
    if group.algorithm != READOUT:
        return ""
    does, federation = built(point.experiment.server.chain), point.experiment.federation
    batches = federation.batches if isinstance(federation.batches, int) else 0
    cohort = cohort_of(federation) * batches * federation.batch_size or None
    alone = [expected_alone(does, row.samples, cohort) for row in rows]
    expected = math.fsum(one for one in alone if one is not None) / max(sum(row.samples for row in rows), 1)
    many = listed([f"{samples:,}" for samples in sorted({row.samples for row in rows})], "or")
    return f"; chance leaves about {expected:.3f} of {many} alone in a bin that is read" if None not in alone else ""


def _nothing(rows: Sequence[Row], played: Sequence[FederationRow]) -> str:
    """Why there is nothing to tell of images: rounds that were lost, and what is known of the others."""
    lost = [row for row in played if row.lost]
    if not lost:
        return _without_figure(rows, played)
    refusals = sum(row.refused for row in lost)
    silent = sum(not row.refused for row in lost)
    why = {f"clients refused the model ({counted(refusals, 'refusal')})": len(lost) - silent,
           "no sum was opened": silent}  # fmt: skip
    words = [(f"{count} " if count < len(lost) else "") + f"as {one}" for one, count in why.items() if count]
    all_of_them = f"{len(lost)} of {counted(len(played), 'round')} {'was' if len(lost) == 1 else 'were'} lost"
    said = f"nothing: {all_of_them}, {listed(words)}"
    gone = {(row.federation, row.seed, row.round) for row in lost}
    left = [row for row in rows if (row.federation, row.seed, row.round) not in gone]
    others = [row for row in played if not row.lost]
    rest = "round" if len(others) == 1 else f"{len(others)} rounds"
    return f"{said}; in the other {rest} {_without_figure(left, others)}" if others else said


def _without_figure(rows: Sequence[Row], played: Sequence[FederationRow]) -> str:
    """Why no attack has a figure of rounds that came to an end."""
    if not rows:
        return "no message was left to attack" if not any(row.messages for row in played) else "no attack on images ran"
    messages: dict[str, set[object]] = {}
    for row in rows:
        own = row.federation, row.seed, row.round, row.client
        messages.setdefault(row.reason or "no reason given", set()).add(own)
    ranked = sorted(messages.items(), key=lambda one: -len(one[1]))
    told = [f"{reason} ({counted(len(of), 'message')})" for reason, of in ranked[:REASONS]]
    more = [counted(len(ranked) - REASONS, "more reason")] if len(ranked) > REASONS else []
    return f"no figure: {'; '.join([*told, *more])}"


def _seen(point: Point, played: Sequence[FederationRow], calm: Sequence[FederationRow]) -> str:
    """By which checks it was seen, how often, and how often these raise an alarm where nothing is to be seen."""
    found = _alarms_of(played)
    if not found:
        return "no check saw anything"
    honest, cohort, usual = point.experiment.server.honest, cohort_of(point.experiment.federation), _alarms_of(calm)
    said = []
    for check, alarms in found.items():
        words = (
            f"{check} at {_share(alarms, cohort, len(played))}, first in round {min(row.round for row, _ in alarms)}"
        )
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
    """`3 of 8 clients in 2 of 2 rounds`: each client counts once a round."""
    clients = sum(seen.clients for _, seen in alarms)
    return f"{clients} of {counted(cohort * rounds, 'client')} in {len(alarms)} of {counted(rounds, 'round')}"
