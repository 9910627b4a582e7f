"""Advice on servers: which defenses hold against which of them, and which are left once all that were tried count."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from fedleak.analysis.advice import Candidate, Limits, leak, possible_leak, possibly_inaccurate, too_inaccurate
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import Condition, Tried, condition_of_point, condition_of_row
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.exposure import Exposure
from fedleak.analysis.judgement import BASELINES
from fedleak.analysis.refusals import REFUSED, lost_by_refusals, never_sent
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.naming import labeled_attacks
from fedleak.experiment.servers import deeds_of, readers_of
from fedleak.formatting import listed
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.statistics.group import Sender

Verdict = Literal["broken", "not shown", "held", "refused"]
"""Refused: clients refused all that the server sent, so nothing was left to attack, and nobody trained."""
GRAVEST: tuple[Verdict, ...] = get_args(Verdict)
UNKNOWN = 'accuracy is that under an honest server, and none has a figure here; add a row [[servers]] named "honest"'
Seen = tuple[Verdict, str, Exposure | None]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """How one defense did against one server."""

    server: str
    verdict: Verdict
    reason: str
    """Why it is not held; empty where it is."""
    exposure: Exposure | None = None
    """Of the messages that were sent, of sums or of single ones, whichever say more; None where there was none."""
    unsent: int = 0
    """Messages that clients refused to send."""
    lost: int = 0
    """Rounds that were lost as clients refused what the server sent."""
    rounds: int = 0
    """Recorded rounds in which the server did what it does, in all seeds."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One defense against all servers that were tried."""

    defense: str
    cells: tuple[Cell, ...]
    """In the order of the servers."""
    accuracy: float
    """Under the honest server; NaN where it was not measured, or no server is honest."""
    inaccurate: str
    """Why its accuracy is not, or may not be, what is wanted; empty where it is."""

    @property
    def recommended(self) -> bool:
        """Whether it holds against all servers, and is accurate."""
        return not self.inaccurate and all(cell.verdict in ("held", "refused") for cell in self.cells)

    def servers(self, *verdicts: Verdict) -> list[str]:
        """Those against which it did so."""
        return [cell.server for cell in self.cells if cell.verdict in verdicts]


@dataclass(frozen=True, kw_only=True)
class ServerAdvice:
    """The defenses of one setting against its servers."""

    place: Condition
    """The setting without the server."""
    servers: tuple[str, ...]
    standings: tuple[Standing, ...]

    @property
    def recommended(self) -> list[Standing]:
        """Those that hold against all servers, the most accurate first."""
        found = [one for one in self.standings if one.recommended]
        return sorted(found, key=lambda one: -math.inf if math.isnan(one.accuracy) else one.accuracy, reverse=True)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A run, less what servers sent before they began, and what clients refused to send."""

    limits: Limits
    metric: str
    experiments: Mapping[Condition, Experiment]
    sent: Analysis
    """Of the messages that were sent while servers did what they do."""
    refused: Mapping[Tried, Sequence[Row]]
    """Of those that clients refused to send."""

    @classmethod
    def of(cls, analysis: Analysis, metric: str, limits: Limits) -> "Trial":
        """Raises `ConfigError` where all servers are honest."""
        points = [point for point in analysis.campaign.points if point.split == "test"]
        experiments = {condition_of_point(point): point.experiment for point in points}
        if all(experiment.server.honest for experiment in experiments.values()):
            raise ConfigError(
                "--servers: every server of this run is honest; run an experiment with rows [[servers]] that have a "
                'chain, as in chain = [{ use = "imprint" }], or leave --servers out'
            )
        rows = [row for row in analysis.rows if row.split != "test" or _begun(row, experiments)]
        unsent: dict[Tried, list[Row]] = {}
        for row in never_sent(rows, analysis.federations):
            unsent.setdefault((condition_of_row(row), row.defense), []).append(row)
        gone = {id(row) for own in unsent.values() for row in own}
        sent = replace(analysis, rows=tuple(row for row in rows if id(row) not in gone))
        return cls(limits=limits, metric=metric, experiments=experiments, sent=sent, refused=unsent)

    @cached_property
    def results(self) -> dict[Tried, DefenseResult]:
        """What came of each defense under each server that left something to attack."""
        return {(one.condition, one.defense): one for one in self.sent.defenses(self.metric)}

    @cached_property
    def played(self) -> dict[Tried, list[FederationRow]]:
        """The recorded rounds in which servers did what they do."""
        found: dict[Tried, list[FederationRow]] = {}
        for row in self.sent.federations:
            if row.split == "test" and row.recorded and _begun(row, self.experiments):
                found.setdefault((condition_of_row(row), row.defense), []).append(row)
        return found

    def cell(self, condition: Condition, defense: str) -> Cell:
        """A defense against the server of a condition."""
        tried = condition, defense
        played = self.played.get(tried, [])
        verdict, reason, exposure = self._seen(tried)
        return Cell(
            server=self.experiments[condition].server.name,
            verdict=verdict,
            reason=reason,
            exposure=exposure,
            unsent=len({(row.seed, row.round, row.client) for row in self.refused.get(tried, ())}),
            lost=sum(map(lost_by_refusals, played)),
            rounds=len(played),
        )

    def _seen(self, tried: Tried) -> Seen:
        result, refused = self.results.get(tried), self.refused.get(tried)
        if result is None and refused:
            said = [str(row.reason) for row in refused]
            first = next((reason for reason in said if reason.startswith(REFUSED)), said[0])
            return "refused", first.removeprefix(REFUSED).strip(), None
        if result is None or not (result.attackers or result.informed):
            return "not shown", self._silence(tried), None
        senders = dict.fromkeys(one.group.sender for one in (*result.attackers, *result.informed))
        seen = [self._judged(_of_sender(result, sender)) for sender in senders]
        return min(seen, key=lambda one: (GRAVEST.index(one[0]), -(one[2].share if one[2] else 0.0)))

    def _judged(self, result: DefenseResult) -> Seen:
        """What leaked breaks a defense; what did not is held where those looked who know what to look for."""
        if result.strongest is None:
            return "not shown", self._silence((result.condition, result.defense)), None
        candidate = Candidate.of(result, self.sent.groups, self.sent.summaries, self.limits)
        broken = leak(candidate, self.limits)
        if broken:
            return "broken", broken, candidate.exposure
        unaware = "" if result.tested else "every attack on it took no notice of the defense"
        doubt = self._unread(result) or unaware or possible_leak(candidate, self.limits)
        return "not shown" if doubt else "held", doubt, candidate.exposure

    def _silence(self, tried: Tried) -> str:
        """Why there is no figure, or the commonest reason of several."""
        silent = [row for row in self.sent.test_rows if (condition_of_row(row), row.defense) == tried]
        reasons = Counter(row.reason for row in silent if row.reason).most_common(1)
        if not silent:
            return "no attack looked at what it was sent; add one that reads no manipulation"
        return "no attack on it has a figure" + "".join(f" ({reason})" for reason, _ in reasons)

    def _unread(self, result: DefenseResult) -> str:
        """Why nobody looked who reads what the server did and knows the defense; empty where somebody did."""
        experiment = self.experiments[result.condition]
        deeds = deeds_of(experiment.server)
        readers = sorted({name for deed in deeds for name in readers_of(deed)})
        ran = {row.attack for row in self.sent.test_rows if _is_of(row, result)}
        tables = {label: table for label, table in labeled_attacks(experiment).items() if label in ran}
        read = {label: one for label, table in tables.items() if (one := attacks.from_table(table)).reads & deeds}
        if readers and not read:
            return f"nobody read what the server did; add {listed(readers, 'or')} to the attacks"
        if result.chain and read and not any(one.accounts_for(result.chain) for one in read.values()):
            return f"{listed(read)}, reading what the server did, took no notice of the defense"
        return ""


def server_advice(trial: Trial) -> list[ServerAdvice]:
    """Holds each defense against each server, setting by setting."""
    experiments = trial.experiments
    places: dict[Condition, list[Condition]] = {}
    for condition in experiments:
        places.setdefault(condition.place, []).append(condition)
    return [
        ServerAdvice(
            place=place,
            servers=tuple(experiments[one].server.name for one in own),
            standings=tuple(_standing(trial, name, own) for name in _defenses(experiments[one] for one in own)),
        )
        for place, own in places.items()
    ]


def _defenses(experiments: Iterable[Experiment]) -> list[str]:
    return list(dict.fromkeys(row.name for experiment in experiments for row in experiment.defenses))


def _standing(trial: Trial, defense: str, conditions: Sequence[Condition]) -> Standing:
    honest = next((one for one in conditions if trial.experiments[one].server.honest), None)
    result = None if honest is None else trial.results.get((honest, defense))
    return Standing(
        defense=defense,
        cells=tuple(trial.cell(one, defense) for one in conditions),
        accuracy=math.nan if result is None else result.accuracy.mean,
        inaccurate=_inaccurate(result, trial.limits),
    )


def _inaccurate(honest: DefenseResult | None, limits: Limits) -> str:
    if honest is None:
        return UNKNOWN if limits.min_accuracy > 0 else ""
    return too_inaccurate(honest, limits) or possibly_inaccurate(honest, limits)


def _begun(row: Row | FederationRow, experiments: Mapping[Condition, Experiment]) -> bool:
    return row.round >= experiments[condition_of_row(row)].server.begins


def _of_sender(result: DefenseResult, sender: Sender) -> DefenseResult:
    """What came of sums alone, or of single messages: an example is behind one of each, and counts once."""
    return replace(
        result,
        attackers=tuple(one for one in result.attackers if one.group.sender == sender),
        informed=tuple(one for one in result.informed if one.group.sender == sender),
    )


def _is_of(row: Row, result: DefenseResult) -> bool:
    place = row.defense, condition_of_row(row)
    return row.algorithm not in BASELINES and place == (result.defense, result.condition)
