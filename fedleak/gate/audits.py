"""Audits held to a policy: what attacks got of an app's updates as they are, and what was not shown of the others."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

from fedleak.audit.exhibit import name_of
from fedleak.audit.mods import COUNTS, SAYS
from fedleak.audit.verdict import AS_IT_IS, RESULT, ROWS, Audited, Facts
from fedleak.contracts.metric import metrics
from fedleak.formatting import counted, listed
from fedleak.gate.check import Subject, check
from fedleak.gate.measure import Measured
from fedleak.gate.measurement import Measurement
from fedleak.gate.policy import Policy
from fedleak.gate.validation import Vocabulary
from fedleak.gate.verdict import Picture, Verdict
from fedleak.results.row import Row, read_results
from fedleak.statistics.group import SENDERS
from fedleak.statistics.summary import summarize

PROTECTIONS = ("dp-sgd", *(name for name, says in SAYS.items() if says != COUNTS))
"""What may stand in an app between training and reply, by name."""


def vocabulary_of(app: str, attacks: Iterable[str]) -> Vocabulary:
    """What the groups of an audit can be called, known before the app is started: its mods may be any."""
    several = {"+".join(two) for two in permutations(PROTECTIONS, 2)}
    return Vocabulary(
        metrics={cls.name for cls in metrics},
        fields={
            "task": {app},
            "defense": {"none", *PROTECTIONS, *several},
            "attack": set(attacks),
            "sender": set(SENDERS),
        },
    )


def check_audit(audited: Audited, policy: Policy) -> Verdict:
    """The verdict on an audit: on the updates as they are. Of what was not attacked nothing was shown, so it fails."""
    facts = audited.facts
    rows = tuple(read_results(audited.folder / ROWS))
    known = vocabulary_of(str(facts["app"]), {one["attack"] for one in facts["attacks"]} | {row.attack for row in rows})
    vocabulary = Vocabulary(
        metrics=known.metrics,
        fields={**known.fields, "defense": {*known.fields["defense"], *(row.defense for row in rows)}},
    )
    broke = {
        (one["attack"], one["client"], one["round"]): str(one["broke"])
        for one in facts["attacks"]
        if one["rung"] == AS_IT_IS
    }

    def crashed(row: Row) -> str:
        return broke.get((row.attack, row.client, row.round), "")

    def picture(name: str, what: str, measurement: Measurement) -> Picture:  # noqa: ARG001
        return _picture(audited.folder, measurement)

    subject = Subject(
        root=audited.folder,
        vocabulary=vocabulary,
        measured=Measured(rows, tuple(summarize(rows)), crashed=crashed),
        problems=(*_not_shown(facts), *_lost(facts, rows)),
        picture=picture,
    )
    return check(subject, policy)


def _not_shown(facts: Facts) -> Iterator[str]:
    """A sentence for each kind of update of which nothing is known: that it was not read is no safety."""
    updates = facts["updates"]
    for verdict in dict.fromkeys(str(one["verdict"]) for one in updates):
        own = [one for one in updates if one["verdict"] == verdict]
        if verdict not in ("understood", "understood but for noise"):
            why = "; ".join(own[0]["reasons"])
            yield (
                f"{counted(len(own), 'update')} of {len(updates)} {verdict}, so no figure shows what "
                f"{'it gives' if len(own) == 1 else 'they give'} away{f': {why}' if why else ''}"
            )
    for line in facts["out_of_scope"]:
        yield f"nothing was shown of {line}"
    if not any(one["rung"] == AS_IT_IS for one in facts["attacks"]) and not facts["out_of_scope"]:
        yield "no update was attacked, so nothing was shown"


def _lost(facts: Facts, rows: Sequence[Row]) -> Iterator[str]:
    """A sentence where figures of an attack are gone from the file: what is left would speak for it."""
    had = {(row.attack, row.client, row.round, row.metric) for row in rows}
    tried = {(one["attack"], one["client"], one["round"]) for one in facts["attacks"] if one["rung"] == AS_IT_IS}
    gone = sorted({one[0] for one in tried for metric in {row.metric for row in rows} if (*one, metric) not in had})
    if gone:
        yield f"{ROWS} lacks figures of {listed(gone)}, which {RESULT} says were tried; audit the app again"


def _picture(folder: Path, measurement: Measurement) -> Picture:
    """Of the update that leaked most, as the audit drew it."""
    scored = [row for row in measurement.rows if row.value == row.value and not isinstance(row.client, str)]
    if not scored:
        return Picture(reason="no attack has a guess to show")
    better = 1 if scored[0].higher_is_better else -1
    worst = max(scored, key=lambda row: better * row.best)
    assert not isinstance(worst.client, str)
    path = folder / f"{name_of(worst.client, worst.round)}.png"
    return Picture(path=path) if path.exists() else Picture(reason=f"{path} is gone; audit the app again")
