"""Adaptive attackers: each defense against attackers who know it and others who do not, with what it costs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedleak.accounting.guarantee import DELTA, Unproven
from fedleak.analysis.conditions import condition_of_row
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.judgement import guessing
from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import metrics
from fedleak.formatting import DASH, counted, number, p_value, percent, signed
from fedleak.learning.training import LocalTraining
from fedleak.processes.home import at_home
from fedleak.profile.profile import fisher_bound
from fedleak.recording.task_table import home_of
from fedleak.report.pictures import Files
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder
from fedleak.statistics.quantiles import tail
from fedleak.statistics.summary import Summary

UNTESTED, REFUSED = "untested", "nothing: clients refused all that the server sent"


@dataclass(frozen=True, kw_only=True)
class Known:
    """One defense in words."""

    condition: str
    defense: str
    plain: str
    adaptive: str
    """`untested` where nobody who takes account of the defense attacked it."""
    attacker: str
    """Who got the most, with the tail and the sample that leaked most."""
    knowing: str
    """What knowing was worth, with the p-value of the paired test."""
    guess: str
    accuracy: str
    """With what a trivial classifier does, and where leak and accuracy come from."""
    knowledge: str
    """What a matching attack makes of knowing the chain."""
    proof: str
    """What the chain proves, and how that compares with what was done; or why it proves nothing."""
    information: str
    """What half of the examples keep from any attacker to whom they may be any of their kind, where that is proved; and
    by the Fisher information the most that an unbiased one has of the first message. With noise only."""


def known_defenses(results: Sequence[DefenseResult], rows: Sequence[Row], files: Files) -> list[Known]:
    """The lines in the order of the results; none where no attack was run with and without knowing."""
    if all(one.knowing is None for one in results):
        return []
    return [_known(one, rows, files) for one in results]


def _known(result: DefenseResult, rows: Sequence[Row], files: Files) -> Known:
    worst = result.strongest
    return Known(
        condition=result.condition.words,
        defense=result.defense,
        plain=_leak(result.plain),
        adaptive=_adaptive(result),
        attacker=DASH if worst is None else _strongest(worst),
        knowing=_knowing(result),
        guess=DASH if worst is None else number(guessing(worst)),
        accuracy=_accuracy(result),
        knowledge="; ".join(_knowledge(result.chain)),
        proof=_proof(result),
        information=_information(result, rows, files),
    )


def _knowledge(chain: Chain) -> Iterator[str]:
    for defense in chain:
        known = defense.adaptive_strategy or "nothing that a matching attack makes use of"
        yield f"{defense.name}: {known}{f' ({defense.caveat})' if defense.caveat else ''}"


def _adaptive(result: DefenseResult) -> str:
    if result.refused:
        return REFUSED
    return _leak(result.adaptive) if result.tested else UNTESTED


def _leak(summary: Summary | None) -> str:
    if summary is None or math.isnan(summary.mean):
        return DASH
    low, high = summary.interval.low, summary.interval.high
    return number(summary.mean) + ("" if math.isnan(low) else f" ({number(low)} to {number(high)})")


def _knowing(one: DefenseResult) -> str:
    gain = one.knowing
    if gain is None or not one.defended or math.isnan(gain.difference):
        return DASH
    chance = "" if math.isnan(gain.p_value) else f", p {p_value(gain.p_value)}"
    return f"{signed(gain.difference, '')} over {gain.reference.attack} in {counted(gain.pairs, 'pair')}{chance}"


def _proof(result: DefenseResult) -> str:
    if result.guarantee is None:
        return DASH
    seen = f"; by canaries {result.audited.words}" if result.audited else ""
    if isinstance(result.guarantee, Unproven):
        return f"nothing: {result.guarantee.reason}{seen}"
    private = f"{result.guarantee.statement(DELTA)}, over the recorded rounds"
    bound = f"; {result.bound.sentence}" if result.bound else ""
    return f"{private} [{result.guarantee.sentence}]; {_to_the_end(result)}{bound}{seen}"


def _to_the_end(one: DefenseResult) -> str:
    if isinstance(one.whole, Unproven):
        return f"nothing over the whole run: {one.whole.reason}"
    if one.whole is None or one.whole == one.guarantee:
        return "which is the whole run"
    return f"{one.whole.statement(DELTA)}, over the whole run [{one.whole.sentence}]"


def _information(result: DefenseResult, rows: Sequence[Row], files: Files) -> str:
    first = next((row for row in rows if _is_of(row, result)), None)
    if first is None or not result.chain.noise_variance(LocalTraining()):
        return DASH
    unbiased = at_home(home_of(files.folder.recording(first)), _unbiased, files.folder, first)
    return DASH if unbiased == DASH else "; ".join([*_prior_aware(result), unbiased])


def _unbiased(folder: RunFolder, row: Row) -> str:
    subject = Files(folder).subject(row)
    if subject is None or subject.truth is None or subject.observation.masked:
        return DASH
    return f"{number(fisher_bound(subject))} dB by Fisher information, unbiased attackers only"


def _prior_aware(result: DefenseResult) -> Iterator[str]:
    bound, strongest = result.bound, result.strongest
    if bound is None or strongest is None or math.isnan(bound.half):
        return
    metric = metrics.get(strongest.group.metric)
    if math.isinf(bound.half):
        yield "none that takes priors into account, at so little noise"
    else:
        unit = f" {metric.unit}" if metric.unit else ""
        side = "above" if metric.higher_is_better else "below"
        yield f"nobody {side} {number(bound.half)}{unit} on more than half of examples of which only the kind was known"


def _is_of(row: Row, one: DefenseResult) -> bool:
    return row.defense == one.defense and row.client != AGGREGATE and condition_of_row(row) == one.condition


def _accuracy(result: DefenseResult) -> str:
    accuracy = result.accuracy
    if math.isnan(accuracy.mean):
        return DASH
    low, high = accuracy.interval.low, accuracy.interval.high
    spread = "" if math.isnan(low) else f" ({percent(low)} to {percent(high)})"
    trivial = "" if math.isnan(result.trivial.mean) else f", a trivial classifier {percent(result.trivial.mean)}"
    return f"{percent(accuracy.mean)}{spread}{trivial}; {result.operating_point.sentence}"


def _strongest(worst: Summary) -> str:
    most = "most" if worst.higher_is_better else "least"
    tailed = f"95 of 100 samples at {most} {number(tail(worst.samples, higher_is_better=worst.higher_is_better))}"
    return f"{worst.group.attack}; {tailed}, the worst {number(worst.worst_case)}"
