"""The verdict in plain words, from the summaries alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.report.conditions import defense_words
from fedleak.report.evidence import Evidence
from fedleak.report.judgement import GRAVITY, Judgement, judge
from fedleak.report.sentences import NOUNS, VERBS, aside, found, sentence
from fedleak.report.words import listed, measured, opening
from fedleak.statistics.group import Sender
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
        findings=tuple(_finding(evidence, defense) for defense in evidence.defended),
        measure=_measure(evidence),
    )


def _lead(evidence: Evidence) -> Iterator[str]:
    """What happens without a defense, then under the others: a paragraph for images, one for labels."""
    worst = {kind: evidence.worst(kind) for kind in evidence.kinds}
    if not worst:
        yield "No attack has a figure, so nothing can be said about what leaks."
    place: tuple[str, Sender] = (evidence.bare or "", "client")
    bare = [(kind, own.pop(place)) for kind, own in worst.items() if place in own]
    if bare:
        said = (found(summary, kind) + aside(summary) for kind, summary in bare)
        clauses = _without_repeating(bare[0][1].group.attack, list(said))
        yield f"Without a defense, {_at_worst(evidence)}{clauses}."
    for kind, own in worst.items():
        sentences = list(_grouped(kind, own))
        if sentences:
            yield " ".join(sentences)


def _grouped(kind: str, worst: Mapping[tuple[str, Sender], Summary]) -> Iterator[str]:
    """A sentence for all the defenses of which the same can be said."""
    for judgement in GRAVITY:
        names = [defense_words(*place) for place, summary in worst.items() if judge(summary) is judgement]
        if names:
            yield opening(_SAID[judgement].format(names=listed(names), noun=NOUNS[kind], verb=VERBS[kind]))


def _at_worst(evidence: Evidence) -> str:
    return f"in the worst of {evidence.settings} settings, " if evidence.settings > 1 else ""


def _without_repeating(attack: str, clauses: Sequence[str]) -> str:
    return listed([clauses[0], *(clause.removeprefix(f"{attack} ") for clause in clauses[1:])])


_SAID = {
    Judgement.LEAKED: "{noun}s were {verb} under {names}.",
    Judgement.BEYOND: "Under {names} more than guessing was recovered, but no {noun} in full.",
    Judgement.UNCLEAR: "Under {names} the {noun}s cannot be told from guessing: the interval reaches down to it.",
    Judgement.TOO_FEW: "Under {names} there are too few messages to tell about the {noun}s.",
    Judgement.NOTHING: (
        "Under {names} these attackers recovered, on average, nothing of the {noun}s beyond guessing; "
        "none of them adapts to the defense: untested, not safe."
    ),
    Judgement.MISSING: "Under {names} no attack has a figure for the {noun}s.",
}


def _finding(evidence: Evidence, defense: str) -> Finding:
    return Finding(
        title=f"Under {defense}" if evidence.defended[defense] else "Without a defense",
        remarks=tuple(
            Remark(
                what=defense_words(f"{NOUNS[kind]}s", sender),
                judgement=judge(summary),
                sentence=sentence(evidence, summary),
            )
            for kind in evidence.kinds
            for (own, sender), summary in evidence.worst(kind).items()
            if own == defense
        ),
    )


def _measure(evidence: Evidence) -> str:
    beyond = (
        "“More than guessing” is said only where the whole 95% interval leaks more than the better of two guesses made "
        "without the update; of labels also that of the gain over it, message by message."
    )
    if _at_worst(evidence):
        beyond = f"{beyond} Of several settings each defense is told by its worst."
    images = evidence.of("inputs")
    if not images:
        return beyond
    one, noun, verb = images[0], NOUNS["inputs"], VERBS["inputs"]
    way = "on" if one.higher_is_better else "down"
    return f"An {noun} counts as {verb} from {measured(one.threshold, one.unit)} {way} ({one.group.metric}). {beyond}"
