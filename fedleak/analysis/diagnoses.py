"""Diagnoses: why guesses do not fit, as the attackers themselves can tell, for each attack under each defense."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.formatting import setting_in_words
from fedleak.statistics.group import Group, Variant
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """One cause, for one attack on one kind of message."""

    group: Group
    count: int
    """Messages."""
    messages: int
    """Of how many."""
    words: str
    """What was seen in the first of them, and what to do about it."""

    @property
    def sentence(self) -> str:
        """`dlg under noisy, in 3 of 4 messages, as in the first: ...`."""
        own = self.group
        sums = " on the sum" if own.sender == "aggregate" else ""
        where = "".join(f", {part}" for part in [setting_in_words(dict(own.setting))] if part)
        first = ", such as" if self.count > 1 else ""
        count = f"{self.count} of {self.messages} {'message' if self.messages == 1 else 'messages'}"
        return f"{own.attack}{sums} under {own.defense}{where}, {count}{first}: {self.words}"


def diagnosed(summaries: Iterable[Summary]) -> dict[Variant, list[Diagnosed]]:
    """The causes for each attack on each kind of message, the most frequent first; the same by every metric."""
    found: dict[Variant, list[Diagnosed]] = {}
    for one in summaries:
        messages = one.messages + one.failed
        if one.diagnoses and messages and one.group.variant not in found:
            found[one.group.variant] = [
                Diagnosed(group=one.group, count=count, messages=messages, words=words)
                for count, words in one.diagnoses.values()
            ]
    return found
