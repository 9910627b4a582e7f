"""Verdict in plain words, from the summaries alone: a lead, then a sentence for each kind of finding."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import condition_of, shares_sentence
from fedleak.analysis.evidence import BARE, Evidence, Place, defense_words
from fedleak.analysis.judgement import GRAVITY, Judgement, judge, kind_of
from fedleak.analysis.strongest import measured_metrics
from fedleak.formatting import listed, measured, opening, plural
from fedleak.goals.goals import GOALS
from fedleak.report.sentences import aside, fooled_judges, found, once, sentence, tally
from fedleak.statistics.group import installed
from fedleak.statistics.summary import Summary

ALONE: tuple[Place, ...] = tuple((BARE, sender) for sender in ("client", "model", "active", "relay"))
"""Single messages, and models, that no defense touched."""
FRUITLESS = (Judgement.NOTHING, Judgement.UNCLEAR, Judgement.TOO_FEW)
"""Attacks ran, and nothing was found."""
DIAGNOSTIC = (
    "This is the diagnostic setting, the easiest case for an attacker: one step on one example, on fresh weights. "
    "What batches, epochs and trained weights leave it does not tell."
)
UNTESTED = "none of them takes account of the defense: untested, not safe."
TESTED = "some of them know the defense, but that is no proof of safety."


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What was found of one kind of thing, in one kind of message."""

    what: str
    """`images`, `labels`, `rows (sum)`."""
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


def fruitless(evidence: Evidence) -> str | None:
    """What was found without a defense, where that is nothing of at least one kind; None where all kinds were."""
    bare = [one for kind in evidence.kinds for place, one in evidence.worst(kind).items() if place in ALONE]
    return undefended(evidence, bare) if _no_proof(evidence, bare) else None


def undefended(evidence: Evidence, bare: Sequence[Summary]) -> str:
    """The paragraph of the figures with the gravest judgement, one for each kind of thing."""
    clauses = _without_repeating([f"{found(evidence, summary)}{aside(summary)}" for summary in bare])
    rest = next((f" {opening(words)}." for summary in bare if (words := once(summary))), "")
    return f"Without a defense, {_at_worst(evidence)}{clauses}.{rest}{_no_proof(evidence, bare)}"


def _lead(evidence: Evidence) -> Iterator[str]:
    """What happens without a defense, then under the others: a paragraph for images, one for labels, and so on."""
    worst = {kind: evidence.worst(kind) for kind in evidence.kinds}
    if not worst:
        thing = "model" if evidence.of_models else "update"
        yield f"No attack that uses the {thing} has a figure, so nothing can be said about what leaks."
    bare = [own.pop(place) for own in worst.values() for place in ALONE if place in own]
    if bare:
        yield undefended(evidence, bare)
    if worst and evidence.diagnostic:
        yield DIAGNOSTIC
    for kind, own in worst.items():
        sentences = list(_grouped(evidence, kind, own))
        if sentences:
            yield " ".join(sentences)
    yield from fooled_judges(evidence)


def _grouped(evidence: Evidence, kind: str, worst: Mapping[Place, Summary]) -> Iterator[str]:
    """One sentence for all defenses with the same finding, apart for those that adaptive attackers tried."""
    example = evidence.example
    for judgement in GRAVITY:
        same = {label: tally(label, one) for (label, _), one in worst.items() if judge(one) is judgement}
        groups = {TESTED: evidence.adapted, UNTESTED: same.keys() - evidence.adapted}
        words = GOALS[kind].sentences.get(judgement, "")
        for tested, labels in groups.items() if "{tested}" in words else [("", same.keys())]:
            names = [name for label, name in same.items() if label in labels]
            if names:
                yield opening(
                    words.format(names=listed(names), tested=tested, example=example, examples=plural(example))
                )


def _finding(evidence: Evidence, label: str) -> Finding:
    return Finding(
        title="Without a defense" if label == BARE else f"Under {label}",
        remarks=tuple(
            Remark(
                what=defense_words(plural(evidence.noun(kind)), sender),
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
        f"Guessing is the best of the guesses made {_without(evidence)}, one and the same for all of them.",
        "“Beyond guessing” is said where guessing alone would do as well in less than 1 of 40 such runs.",
        "What is said of a defense is the worst over all attacks, their variants and the metrics.",
    ]
    if len({condition_of(s.group) for s in evidence.summaries}) > 1:
        words.append("Of several settings each defense is told by its worst.")
    return " ".join(words)


def _without(evidence: Evidence) -> str:
    if evidence.of_models:
        return "without access"
    labels = (
        f" (of {plural(evidence.example)}: with no more of it than the labels)" if "inputs" in evidence.kinds else ""
    )
    return f"without the update{labels}"


def _thresholds(evidence: Evidence) -> Iterator[str]:
    """From where on an example counts as rebuilt, by every metric that has a figure."""
    levels, margins = [], []
    for name in measured_metrics(evidence.of("inputs"), "inputs"):
        metric = installed(name)
        if metric is not None:
            levels.append(f"{name} {_levels(evidence, name)} or {'more' if metric.higher_is_better else 'less'}")
            margins.append(measured(metric.margin, metric.unit))
    if levels:
        yield (
            f"{opening(plural(evidence.example))} count as rebuilt from {listed(levels, 'or')}, where that is "
            f"better by {listed(margins, 'or')} than every guess, the best single color and the nearest public example "
            "(oracles, which the truth chooses)."
        )
    members = measured_metrics(evidence.of("membership"), "membership")
    installed_metrics = [(name, metric) for name in members if (metric := installed(name)) is not None]
    if installed_metrics:
        parts = [f"{name} {measured(metric.threshold, metric.unit)}" for name, metric in installed_metrics]
        yield f"A member counts as found from {listed(parts, 'or')}."
    if "recognised" in measured_metrics(evidence.of("representatives"), "representatives"):
        yield (
            "A class counts as recognised where two judges of different make take the image for one of it and it is "
            "nearer to a private example of the class than every guess made without access."
        )
    if measured_metrics(evidence.of("columns"), "columns"):
        yield (
            "Of hidden columns only what an attack gains over an imputer counts, one that learnt from public rows and "
            "asks no model; of labels over a classifier that learnt from the same labels on the attacker's own "
            "columns: whatever these say, anybody may know. What is gained for rows that were trained on and not for "
            "others (metrics “of others”) the model remembers of them."
        )
    if evidence.told_apart and measured_metrics(evidence.of("properties"), "properties"):
        yield shares_sentence(evidence.told_apart)


def _levels(evidence: Evidence, name: str) -> str:
    """The threshold of a metric, which each task has its own of: structureless guesses get further in some."""
    own = [one for one in evidence.of("inputs") if one.group.metric == name]
    tasks = {one.group.task: measured(one.threshold, one.unit) for one in own}
    if len(set(tasks.values())) == 1:
        return next(iter(tasks.values()))
    return listed([f"{level} in {task}" for task, level in tasks.items()], "or")


def _no_proof(evidence: Evidence, bare: Sequence[Summary]) -> str:
    """Attacks that fail are seen to fail, and are not taken for safety."""
    kinds: dict[str, list[str]] = {}
    for summary in bare:
        if judge(summary) in FRUITLESS:
            surely = "nothing" if judge(summary) is Judgement.NOTHING else "nothing surely"
            kinds.setdefault(surely, []).append(plural(evidence.noun(kind_of(summary.group.metric))))
    if not kinds:
        return ""
    clauses = [
        f"of the {listed(list(dict.fromkeys(nouns)))}, {surely} beyond guessing was recovered"
        for surely, nouns in kinds.items()
    ]
    return (
        f" {opening('; '.join(clauses))}. That is no proof of safety: other attacks, or the same with more steps, "
        "may get more."
    )


def _without_repeating(clauses: Sequence[str]) -> str:
    """Of two clauses about one attack, the second does without its name."""
    who = clauses[0].partition(" ")[0]
    named = f"{who} " if who != "no" else ""  # of "no attacker" each keeps its own
    return listed([clauses[0], *(clause.removeprefix(named) for clause in clauses[1:])])


def _at_worst(evidence: Evidence) -> str:
    settings = {condition_of(s.group) for kind in evidence.kinds for s in evidence.of(kind)
                if evidence.label(s.group) == BARE}  # fmt: skip
    return f"in the worst of {len(settings)} settings, " if len(settings) > 1 else ""
