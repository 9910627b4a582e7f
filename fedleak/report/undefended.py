"""What was found where no defense acts, in one paragraph; where that is nothing, that it proves no safety."""

from collections.abc import Sequence

from fedleak.analysis.evidence import BARE, Evidence, Place, condition_of
from fedleak.analysis.judgement import NOUNS, Judgement, judge, kind_of
from fedleak.formatting import listed, opening
from fedleak.report.sentences import aside, found, once
from fedleak.statistics.summary import Summary

ALONE: Place = (BARE, "client")
"""Single messages that no defense touched."""
FRUITLESS = (Judgement.NOTHING, Judgement.UNCLEAR, Judgement.TOO_FEW)
"""Attacks ran, and nothing was found."""


def fruitless(evidence: Evidence) -> str | None:
    """What was found without a defense, where that is nothing of at least one kind; None where all kinds were."""
    bare = [worst[ALONE] for kind in evidence.kinds if ALONE in (worst := evidence.worst(kind))]
    return undefended(evidence, bare) if _no_proof(bare) else None


def undefended(evidence: Evidence, bare: Sequence[Summary]) -> str:
    """The paragraph of the figures with the gravest judgement, one for each kind of thing."""
    clauses = _without_repeating([f"{found(evidence, summary)}{aside(summary)}" for summary in bare])
    rest = next((f" {opening(words)}." for summary in bare if (words := once(summary))), "")
    return f"Without a defense, {_at_worst(evidence)}{clauses}.{rest}{_no_proof(bare)}"


def _no_proof(bare: Sequence[Summary]) -> str:
    """Attacks that fail are seen to fail, and are not taken for safety."""
    kinds: dict[str, list[str]] = {}
    for summary in bare:
        if judge(summary) in FRUITLESS:
            surely = "nothing" if judge(summary) is Judgement.NOTHING else "nothing surely"
            kinds.setdefault(surely, []).append(f"{NOUNS[kind_of(summary.group.metric)]}s")
    if not kinds:
        return ""
    told = [f"of the {listed(nouns)}, {surely} beyond guessing was recovered" for surely, nouns in kinds.items()]
    return (
        f" {opening('; '.join(told))}. That is no proof of safety: other attacks, or the same with more steps, may get "
        "more."
    )


def _at_worst(evidence: Evidence) -> str:
    settings = {condition_of(s.group) for kind in evidence.kinds for s in evidence.of(kind)
                if evidence.label(s.group) == BARE}  # fmt: skip
    return f"in the worst of {len(settings)} settings, " if len(settings) > 1 else ""


def _without_repeating(clauses: Sequence[str]) -> str:
    """Of two clauses about one attack, the second does without its name."""
    who = clauses[0].partition(" ")[0]
    return listed([clauses[0], *(clause.removeprefix(f"{who} ") for clause in clauses[1:])])
