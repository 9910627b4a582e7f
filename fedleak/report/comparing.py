"""A figure beside those of other settings and of no defense, in words."""

import math

from fedleak.analysis.evidence import BARE, Evidence, condition_of
from fedleak.analysis.judgement import FOUND, judge, kind_of
from fedleak.formatting import counted, measured, p_value
from fedleak.statistics.summary import Summary

SIGNIFICANT = 0.05


def where(evidence: Evidence, summary: Summary) -> str:
    """In a campaign of several conditions: in how many, and in which most."""
    kind, place = kind_of(summary.group.metric), (evidence.label(summary.group), summary.group.sender)
    same = evidence.places(kind)[place]
    settings = len({condition_of(one.group) for one in same})
    if settings < 2:
        return ""
    beyond = len({condition_of(one.group) for one in same if judge(one) in FOUND})
    return (
        f"beyond guessing in {beyond or 'none'} of {settings} settings; most with {condition_of(summary.group).words}: "
    )


def change(evidence: Evidence, summary: Summary) -> str:
    """How the same attack fared on the same messages under the reference."""
    paired = next((c for c in evidence.comparisons if c.group == summary.group), None)
    if paired is None or not paired.pairs:
        return ""
    bare = evidence.label(paired.reference) == BARE
    than = "without a defense" if bare else f"under {paired.reference.defense}"
    strongest = evidence.without_defense(summary)
    another = strongest is not None and strongest.group.attack != summary.group.attack
    who = "for this attack " if another else ""  # where another got more without the defense, it bought more than this
    over = f"over {counted(paired.pairs, 'pair')}"
    if paired.difference == 0:
        return f"; {who}the same as {than} {over}"
    size = f"{measured(abs(paired.difference), summary.unit)} {'lower' if paired.difference < 0 else 'higher'}"
    if math.isnan(paired.p_value):
        return f"; {who}{size} than {than}, {over} too few to test"
    chance = ", which chance may explain" if paired.p_value >= SIGNIFICANT else ""
    p = p_value(paired.p_value)
    return f"; {who}{size} than {than}{chance} (p {p if p.startswith('<') else f'= {p}'} {over})"
