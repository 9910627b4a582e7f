"""The verdict in plain words, from the summaries alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fedleak.analysis.evidence import BARE, Evidence, Place, condition_of, defense_words
from fedleak.analysis.judgement import GRAVITY, NOUNS, Judgement, judge, measured_metrics
from fedleak.formatting import listed, measured, opening
from fedleak.report.said import SAID, TESTED, UNTESTED
from fedleak.report.sentences import sentence, tally
from fedleak.report.undefended import ALONE, undefended
from fedleak.statistics.group import installed
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What was found of one kind of thing, in one kind of message."""

    what: str
    """`images`, `labels`, `images (sum)`."""
    judgement: Judgement
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one defense left to find."""

    title: str
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What leaked, the most important first."""

    lead: tuple[str, ...]
    findings: tuple[Finding, ...]
    measure: str
    """From where on a thing counts as rebuilt."""


def verdict(evidence: Evidence) -> Verdict:
    """The lead, then a finding for each defense."""
    return Verdict(
        lead=tuple(_lead(evidence)),
        findings=tuple(_finding(evidence, label) for label in evidence.labels),
        measure=_measure(evidence),
    )


def _lead(evidence: Evidence) -> Iterator[str]:
    """What happens without a defense, then under the others: a paragraph for images, one for labels, and so on."""
    worst = {kind: evidence.worst(kind) for kind in evidence.kinds}
    if not worst:
        yield "No attack that uses the update has a figure, so nothing can be said about what leaks."
    bare = [own.pop(ALONE) for own in worst.values() if ALONE in own]
    if bare:
        yield undefended(evidence, bare)
    for kind, own in worst.items():
        sentences = list(_grouped(evidence, kind, own))
        if sentences:
            yield " ".join(sentences)


def _grouped(evidence: Evidence, kind: str, worst: Mapping[Place, Summary]) -> Iterator[str]:
    """A sentence for all the defenses of which the same can be said, tested against who knows them or not."""
    for judgement in GRAVITY:
        same = {label: tally(label, one) for (label, _), one in worst.items() if judge(one) is judgement}
        groups = {TESTED: evidence.adapted, UNTESTED: same.keys() - evidence.adapted}
        words = SAID[kind].get(judgement, "")
        for tested, labels in groups.items() if "{tested}" in words else [("", same.keys())]:
            names = [name for label, name in same.items() if label in labels]
            if names:
                yield opening(words.format(names=listed(names), tested=tested))


def _finding(evidence: Evidence, label: str) -> Finding:
    return Finding(
        title="Without a defense" if label == BARE else f"Under {label}",
        remarks=tuple(
            Remark(
                what=defense_words(f"{NOUNS[kind]}s", sender),
                judgement=judge(summary),
                sentence=sentence(evidence, summary),
            )
            for kind in evidence.kinds
            for (own, sender), summary in evidence.worst(kind).items()
            if own == label
        ),
    )


def _measure(evidence: Evidence) -> str:
    words = [
        *_thresholds(evidence),
        "Guessing is, for each image, label, member or question, the better of two guesses made without the update.",
        "“Beyond guessing” is said where guessing alone would do as well in less than 1 of 40 such runs.",
        "What is said of a defense is the worst over all attacks, their variants and the metrics.",
    ]
    if len({condition_of(s.group) for s in evidence.summaries}) > 1:
        words.append("Of several settings each defense is told by its worst.")
    return " ".join(words)


def _thresholds(evidence: Evidence) -> Iterator[str]:
    """From where on an image counts as rebuilt, by every metric that has a figure."""
    parts = []
    for name in measured_metrics(evidence.of("inputs"), "inputs"):
        metric = installed(name)
        if metric is not None:
            way = "or more" if metric.higher_is_better else "or less"
            least, by = measured(metric.threshold, metric.unit), measured(metric.margin, metric.unit)
            parts.append(f"{name} {least} {way} ({by} better than guessing)")
    if parts:
        yield f"An image counts as rebuilt from {listed(parts, 'or')}."
    members = measured_metrics(evidence.of("membership"), "membership")
    known = [(name, metric) for name in members if (metric := installed(name)) is not None]
    if known:
        parts = [f"{name} {measured(metric.threshold, metric.unit)}" for name, metric in known]
        yield f"A member counts as found from {listed(parts, 'or')}."
