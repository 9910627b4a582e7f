"""Which measurements a rule is about, and why none is left where none is."""

from collections import Counter
from collections.abc import Iterable, Sequence

from fedleak.gate.rule import Assertion
from fedleak.gate.measurement import Measurement
from fedleak.gate.subject import Subject


def select(assertion: Assertion, measurements: Sequence[Measurement]) -> list[Measurement]:
    """What the rule's conditions name, less what its metric cannot judge and the attacks that never look at an update.

    Such an attack is judged where `where` names it.
    """
    named = [one for one in measurements if assertion.selects(one.subject.fields)]
    return [one for one in named if one.applicable and (not one.subject.blind or _names(assertion, one.subject))]


def why_none(assertion: Assertion, measurements: Sequence[Measurement]) -> str:
    """A clause for a rule that has no figure to judge."""
    named = [one for one in measurements if assertion.selects(one.subject.fields)]
    if not named:
        return "it selects no group of this run"
    looking = [one for one in named if not one.subject.blind or _names(assertion, one.subject)]
    if not looking:
        blind = " and ".join(dict.fromkeys(str(one.subject.attack) for one in named))
        return f'it selects only {blind}, which never look at an update; name them with where attack = "..."'
    reasons = sum((Counter(one.failures) for one in looking), Counter[str]())
    groups = f"{len(looking)} groups have" if len(looking) > 1 else "the only group has"
    return f"{groups} no figure ({reasons_text(reasons.items())})"


def reasons_text(reasons: Iterable[tuple[str, int]]) -> str:
    """`4 x the attack guesses no images; 1 x ...`."""
    return "; ".join(f"{count} x {reason}" for reason, count in reasons) or "no message was attacked"


def _names(assertion: Assertion, subject: Subject) -> bool:
    comparisons = assertion.where.comparisons() if assertion.where is not None else ()
    named = [one for one in comparisons if one.field == "attack" and one.operator == "=="]
    return any(one.holds(subject.fields) for one in named)
