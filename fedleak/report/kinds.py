"""What a metric judges, images, labels or answers to questions, and the words for it."""

from fedleak.statistics.installed import installed

KINDS = ("inputs", "labels", "membership", "properties")
"""What a metric may judge; images first."""
NOUNS = {"inputs": "image", "labels": "label", "membership": "member", "properties": "question"}
VERBS = {"inputs": "rebuilt", "labels": "read", "membership": "found", "properties": "answered"}
HIT_OR_MISS = frozenset({"labels", "membership", "properties"})
"""Where guessing hits some samples as well, so that a single hit is no finding."""


def kind_of(metric: str) -> str:
    """What a metric judges, one of `KINDS`; of one that is not installed, `unknown`."""
    known = installed(metric)
    return "unknown" if known is None else known.compares
