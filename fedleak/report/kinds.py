"""What a metric judges, images or labels, and the words for it."""

from fedleak.statistics.installed import installed

KINDS = ("inputs", "labels")
"""What a metric may judge; images first."""
NOUNS = {"inputs": "image", "labels": "label"}
VERBS = {"inputs": "rebuilt", "labels": "read"}


def kind_of(metric: str) -> str:
    """Whether a metric judges `inputs` or `labels`; of one that is not installed, `unknown`."""
    known = installed(metric)
    return "unknown" if known is None else known.compares
