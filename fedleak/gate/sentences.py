"""Formatting of figures and findings as sentences, the same on the terminal and in every file."""

import math
from collections.abc import Iterable

from fedleak.gate.measurement import Measurement
from fedleak.gate.verdict import Change, Finding, NewFigures, RuleVerdict
from fedleak.results.schema import MODEL
from fedleak.statistics.intervals import Interval, counted


def number(value: float, beside: float = math.nan) -> str:
    """Four places that matter; all of them where four do not tell the value from the one that stands beside it."""
    if math.isnan(value):
        return "none"
    short = f"{value:.4g}"
    return repr(value) if short == f"{beside:.4g}" and value != beside else short


def figure(value: float, unit: str, beside: float = math.nan) -> str:
    """A number with its unit, in brackets where that is a phrase."""
    return f"{number(value, beside)} {f'({unit})' if ' ' in unit else unit}".strip()


def interval_text(interval: Interval | None) -> str:
    """The interval with its method, or that there is none."""
    if interval is None:
        return "no interval: it is what was seen"
    if math.isnan(interval.low):
        return f"no interval: {interval.method}"
    return f"95% interval {number(interval.low)} to {number(interval.high)}, {interval.method}"


def baselines_text(measurement: Measurement) -> str:
    """What guessing without the update gives."""
    return ", ".join(f"{name} {number(value)}" for name, value in measurement.baselines.items())


def counts_text(measurement: Measurement) -> str:
    """How much a figure stands on."""
    noun = "model" if measurement.group.sender == MODEL else "message"
    messages = [counted(measurement.messages, noun)] if measurement.messages else []
    return ", ".join([*messages, counted(measurement.seeds, "seed")])


def finding_text(verdict: RuleVerdict, finding: Finding) -> str:
    """What was found in a group, as one sentence."""
    measurement = finding.measurement
    if math.isnan(measurement.value):
        why = finding.problem or "; ".join(finding.notes)
        return f"{verdict.rule.assertion.figure} of {measurement.group}: {why}"
    value = figure(measurement.value, measurement.unit, finding.bound)
    text = f"{verdict.rule.assertion.figure} of {measurement.group} is {value}"
    beside = "; ".join(part for part in (baselines_text(measurement), counts_text(measurement), *finding.notes) if part)
    end = f": {finding.problem}" if finding.problem else ""
    return f"{text} ({interval_text(measurement.interval)}; {beside}){end}"


def change_text(change: Change, alpha: float) -> str:
    """What became of a group since the baseline, as one sentence."""
    own = change.comparison
    text = f"{own.group.metric} of {change.measurement.group}: {figure(change.old, change.unit)} before"
    now = f"{figure(change.new, change.unit)} now, a difference of {signed(own.difference)}"
    decided = change.problem or ("no more leakage than noise allows" if change.tested else "too few messages to test")
    return f"{text}, {now} ({interval_text(own.interval)}; {p_text(own.p_value)}, {own.test}): {decided} at {alpha:g}"


def new_figures_text(figures: NewFigures) -> str:
    """What was found where the baseline has no figure, as one sentence."""
    own = figures.measurement
    text = f"{figures.metric} of {own.group}: {figure(own.value, own.unit)} now, no figure in the baseline"
    beside = f"{baselines_text(own)}; {counts_text(own)}"
    return f"{text} ({beside}): new figures, not compared; {leaked_text(figures)}"


def leaked_text(figures: NewFigures) -> str:
    """How many samples leaked among the new figures."""
    return f"{counted(figures.leaked, 'sample')} leaked" if figures.leaked else "none leaked"


def reasons_text(reasons: Iterable[tuple[str, int]]) -> str:
    """`4 x the attack guesses no examples; 1 x ...`."""
    return "; ".join(f"{count} x {reason}" for reason, count in reasons) or "no message was attacked"


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def p_text(p_value: float) -> str:
    """A p-value, corrected for the number of tests."""
    return "p unknown" if math.isnan(p_value) else "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
