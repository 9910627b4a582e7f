"""One figure as a sentence: what the attack did, the figures, and how they compare with no defense."""

import math

from fedleak.report.conditions import condition_of, kind_of
from fedleak.report.evidence import Evidence
from fedleak.report.judgement import Judgement, guessing, judge, leaked
from fedleak.report.words import counted, measured, number, opening, p_value
from fedleak.statistics.summary import Summary

NOUNS = {"inputs": "image", "labels": "label"}
VERBS = {"inputs": "rebuilt", "labels": "read"}
SIGNIFICANT = 0.05


def sentence(evidence: Evidence, summary: Summary) -> str:
    """All that is to be said of the strongest attack on one kind of message."""
    kind = kind_of(summary.group.metric)
    told = f"{found(summary, kind)}{_figures(summary)}{_outlier(summary, kind)}"
    return opening(f"{_where(evidence, summary)}{told}{_change(evidence, summary)}.")


def found(summary: Summary, kind: str) -> str:
    """What the strongest attack did, without figures."""
    noun, verb, who, total = NOUNS[kind], VERBS[kind], summary.group.attack, len(summary.samples)
    match judge(summary):
        case Judgement.LEAKED:
            return f"{who} {verb} {leaked(summary)} of {counted(total, noun)}"
        case Judgement.BEYOND:
            return f"{who} recovered more than guessing, but {verb} none of {counted(total, noun)}"
        case Judgement.UNCLEAR:
            return f"{who} was better than guessing on average over {counted(total, noun)}, but not reliably"
        case Judgement.TOO_FEW:
            messages, few = counted(summary.messages, "message"), "is" if summary.messages == 1 else "are"
            return f"{messages} {few} too few to tell whether {who} recovered more {noun}s than guessing"
        case Judgement.NOTHING:
            return f"on average no attacker recovered more than guessing of {counted(total, noun)}"
        case Judgement.MISSING:
            return f"no attack has a figure for the {noun}s"


def aside(summary: Summary) -> str:
    """The figure and what guessing gives, in brackets; for labels the counts say it all."""
    if judge(summary) is Judgement.MISSING or kind_of(summary.group.metric) != "inputs":
        return ""
    mean, guess = measured(summary.mean, summary.unit), measured(guessing(summary), summary.unit)
    return f" ({summary.group.metric} {mean}, guessing gives {guess})"


def _figures(summary: Summary) -> str:
    if judge(summary) is Judgement.MISSING:
        return ""
    interval, unit = summary.interval, summary.unit
    spread = "" if math.isnan(interval.low) else f" (95%: {number(interval.low)} to {number(interval.high)})"
    mean = f"{summary.group.metric} {measured(summary.mean, unit)}"
    return f": {mean}{spread}, guessing gives {measured(guessing(summary), unit)}"


def _outlier(summary: Summary, kind: str) -> str:
    """A mean that says nothing leaked can hide an image that did. Of labels a few are right by chance."""
    if kind != "inputs" or judge(summary) in (Judgement.LEAKED, Judgement.MISSING):
        return ""
    if leaked(summary):
        return f"; yet {leaked(summary)} of {len(summary.samples)} reached {measured(summary.threshold, summary.unit)}"
    return f", and the image that leaked most {measured(summary.worst_case, summary.unit)}"


def _where(evidence: Evidence, summary: Summary) -> str:
    """In a campaign of several conditions: in how many, and in which most."""
    settings = evidence.settings
    if settings < 2:
        return ""
    own = (summary.group.defense, summary.group.sender)
    same = [s for s in evidence.of(kind_of(summary.group.metric)) if (s.group.defense, s.group.sender) == own]
    beyond = {condition_of(s.group) for s in same if judge(s) in (Judgement.LEAKED, Judgement.BEYOND)}
    where = condition_of(summary.group).words
    if not beyond:
        return f"beyond guessing in none of {settings} settings; most leaked with {where}: "
    return f"beyond guessing in {len(beyond)} of {settings} settings; most leaked with {where}: "


def _change(evidence: Evidence, summary: Summary) -> str:
    """How the same attack fared on the same messages under the reference."""
    paired = next((c for c in evidence.comparisons if c.group == summary.group), None)
    if paired is None or not paired.pairs:
        return ""
    other = paired.reference.defense
    than = f"under {other}" if evidence.defended.get(other, True) else "without a defense"
    over = f"over {counted(paired.pairs, 'pair')}"
    if paired.difference == 0:
        return f"; the same as {than} {over}"
    size = f"{measured(abs(paired.difference), summary.unit)} {'lower' if paired.difference < 0 else 'higher'}"
    if math.isnan(paired.p_value):
        return f"; {size} than {than}, {over} too few to test"
    chance = ", which chance may explain" if paired.p_value >= SIGNIFICANT else ""
    p = p_value(paired.p_value)
    return f"; {size} than {than}{chance} (p {p if p.startswith('<') else f'= {p}'} {over})"
