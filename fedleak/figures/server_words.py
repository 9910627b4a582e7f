"""Words of the gallery of servers: what stands below pictures, and in place of them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from fedleak.accounting.mechanism import cohort_of
from fedleak.analysis.loot import Loot
from fedleak.contracts.chain import Chain
from fedleak.contracts.chaining import only_watches
from fedleak.experiment.campaign import Point
from fedleak.experiment.naming import labeled_attacks, title_of
from fedleak.figures.sheet import Block
from fedleak.formatting import counted, listed, opening, setting_in_words, unraised
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.results.seen import seen_in
from fedleak.settings.server import ROW

FIGURES = re.compile(r" \([^()]*threshold[^()]*\)$")
"""What a check measured, behind its words."""
LONGEST = 135
"""Letters of a reason that are shown."""


def words_of_chain(chain: Chain) -> str:
    """What a group is: who looks at what, and what else is done."""
    others = [one.name for one in chain if not only_watches(one) and one is not chain.protocol]
    checks = ["clients check models"] if any(map(only_watches, chain)) else []
    opened = "only sums are opened" if chain.protocol is not None else "each update in the clear"
    return "; ".join([*checks, *others, opened])


def words_of_setting(point: Point, *, with_task: bool) -> str:
    """The setting without the server: the name of a combination says all of it."""
    setting = {key: value for key, value in point.setting.items() if key != ROW}
    named = {"vary": setting["vary"]} if setting.get("vary") else setting
    return ", ".join(filter(None, [setting_in_words(named), point.experiment.task.label if with_task else ""]))


def words_of_loot(point: Point, loot: Loot, played: FederationRow | None) -> str:
    """How much came back, by which attack, and who saw it."""
    label = loot.group.attack
    attack = title_of(label, labeled_attacks(point.experiment)[label])
    got = f"nothing beyond guessing of {loot.asked}"
    if loot.exact:
        got = f"{loot.exact} of {loot.asked} exact"
    elif loot.leaked:
        got = f"{loot.leaked} of {loot.asked} rebuilt, {loot.best:.1f} dB at best"
    seen = listed(one.check for one in seen_in(played.seen)) if played else ""
    refused = "; the lie was refused" if played and played.disbelieved else ""
    return f"{got} ({attack}){f'; seen by {seen}' if seen else ''}{refused}"


def nothing(point: Point, played: FederationRow | None, rows: Sequence[Row]) -> Block:
    """Why there is nothing to show: the round that was lost, or what attacks said."""
    if played is None:
        return Block(words="not run under this defense")
    if not played.lost:
        return Block(words="no figure", more=shortened(next(_reasons(rows), "no attack on examples ran")))
    calm = not point.experiment.server.honest
    if not played.refused:
        words = "round lost: the lie was refused" if played.disbelieved else "round lost"
        return Block(words=words, more=shortened(next(_reasons(rows), "")), calm=calm)
    first = max(seen_in(played.seen), key=lambda one: one.clients, default=None)
    return Block(
        words=f"round lost: {played.refused} of {counted(cohort_of(point.experiment.federation), 'client')} refused",
        more=shortened(f"{first.check}: {FIGURES.sub('', first.words)}" if first else ""),
        calm=calm,
    )


def shortened(words: str, longest: int = LONGEST) -> str:
    """Without the kind of error in front, and without what is too long."""
    plain = unraised(words)
    plain = plain if len(plain) <= longest else plain.partition(", ")[0]
    return plain if len(plain) <= longest else f"{plain[: longest - 1].rsplit(' ', 1)[0]} …"


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Of a sum first, then the commonest."""
    summed = [row for row in rows if row.client == AGGREGATE]
    reasons = Counter(row.reason for row in summed or rows if row.reason)
    yield from (opening(unraised(reason)) for reason, _ in reasons.most_common())
