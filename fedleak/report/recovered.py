"""What a server got, in words: images that came back, members that were told, or why there is nothing."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from fedleak.accounting.mechanism import cohort_of
from fedleak.analysis.loot import Loot
from fedleak.analysis.singleton_bounds import READOUT
from fedleak.contracts.manipulated import built, expected_alone
from fedleak.experiment.campaign import Point
from fedleak.formatting import counted, figure, listed, unraised
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import summary_of

MEMBERS = "membership-auc"
"""The metric of attacks that tell members from strangers."""
REASONS = 2
"""Reasons of attacks without a figure that are written out, the commonest first."""


def recovered_words(point: Point, loot: Loot, example: str) -> str:
    source, attack, asked = _source(point, loot.rows), loot.group.attack, counted(loot.asked, example)
    if loot.exact:
        return f"recovers {loot.exact} of {asked} exactly {source} ({attack}){_alone(point, loot)}"
    if loot.leaked:
        return f"rebuilds {loot.leaked} of {asked} {source}, none exactly: {loot.best:.1f} dB at best ({attack})"
    return f"nothing beyond guessing of {asked} {source} ({attack} has most)"


def members_words(point: Point, rows: Sequence[Row]) -> str:
    """How well members are told from strangers, by the attack that does it best; empty where none has a figure."""
    groups = group_rows(row for row in rows if row.metric == MEMBERS and math.isfinite(row.value))
    found = [(summary_of(group, own), own) for group, own in groups.items()]
    if not found:
        return ""
    best, own = max(found, key=lambda one: one[0].mean)
    asked = counted(sum(len(row.per_sample) for row in own), "record")
    return (
        f"tells which of {asked} were trained on, {_source(point, own)}, with an AUC of {figure(best.mean)} "
        f"({best.group.attack}; guessing has 0.5)"
    )


def _source(point: Point, rows: Sequence[Row]) -> str:
    """The messages that were attacked, of one kind."""
    if rows[0].client != AGGREGATE:
        return f"from {counted(len(rows), 'single update')}"
    sums = f"{len(rows)} sums" if len(rows) > 1 else "the sum"
    return f"through {sums} over {counted(point.experiment.federation.clients, 'client')}"


def _alone(point: Point, loot: Loot) -> str:
    """Of an imprint: the share of examples that chance leaves alone in their bins."""
    if loot.group.algorithm != READOUT:
        return ""
    rows, does, federation = loot.rows, built(point.experiment.server.chain), point.experiment.federation
    batches = federation.batches if isinstance(federation.batches, int) else 0
    cohort = cohort_of(federation) * batches * federation.batch_size or None
    alone = [expected_alone(does, row.samples, cohort) for row in rows]
    expected = math.fsum(one for one in alone if one is not None) / max(sum(row.samples for row in rows), 1)
    return f"; chance leaves a share of {expected:.3f} alone in a bin that is read" if None not in alone else ""


def nothing_words(rows: Sequence[Row], played: Sequence[FederationRow]) -> str:
    """Why there is nothing to tell: rounds that were lost, and what is known of the others."""
    lost = [row for row in played if row.lost]
    if not lost:
        return _without_figure(rows, played)
    refusals = sum(row.refused for row in lost)
    lies = sum(not row.refused and row.disbelieved > 0 for row in lost)
    silent = sum(not row.refused for row in lost) - lies
    gone = {(row.federation, row.seed, row.round) for row in lost}
    why = {f"clients refused the model ({counted(refusals, 'refusal')})": len(lost) - silent - lies,
           f"clients refused the lie{_of_sums(rows, gone) if lies == len(lost) else ''}": lies,
           f"no sum was opened{_of_sums(rows, gone) if silent == len(lost) else ''}": silent}  # fmt: skip
    words = [(f"{count} " if count < len(lost) else "") + f"as {one}" for one, count in why.items() if count]
    rounds = f"{len(lost)} of {counted(len(played), 'round')} {'was' if len(lost) == 1 else 'were'} lost"
    said = f"nothing: {rounds if len(played) > 1 else 'the round was lost'}, {listed(words)}"
    left = [row for row in rows if (row.federation, row.seed, row.round) not in gone]
    others = [row for row in played if not row.lost]
    rest = "round" if len(others) == 1 else f"{len(others)} rounds"
    return f"{said}; in the other {rest} {_without_figure(left, others)}" if others else said


def _of_sums(rows: Sequence[Row], rounds: Collection[tuple[str, int, int]]) -> str:
    """The commonest reason of sums of these rounds, in brackets."""
    reasons = Counter(
        unraised(row.reason)
        for row in rows
        if row.client == AGGREGATE and row.reason and (row.federation, row.seed, row.round) in rounds
    )
    return "".join(f" ({reason})" for reason, _ in reasons.most_common(1))


def _without_figure(rows: Sequence[Row], played: Sequence[FederationRow]) -> str:
    """Why no attack has a figure of rounds that came to an end."""
    if not rows:
        return (
            "no message was left to attack"
            if not any(row.messages for row in played)
            else "no attack on examples or members ran"
        )
    messages: dict[str, set[object]] = {}
    for row in rows:
        own = row.federation, row.seed, row.round, row.client
        messages.setdefault(row.reason or "no reason given", set()).add(own)
    ranked = sorted(messages.items(), key=lambda one: -len(one[1]))
    told = [f"{reason} ({counted(len(of), 'message')})" for reason, of in ranked[:REASONS]]
    more = [counted(len(ranked) - REASONS, "more reason")] if len(ranked) > REASONS else []
    return f"no figure: {'; '.join([*told, *more])}"
