"""What a run's figures do not show by themselves: attacks that found nothing, guesses that do not fit, idle metrics."""

from collections.abc import Iterator

from fedleak.analysis.analysis import Analysis
from fedleak.report.verdict import fruitless

MOST = 12
"""Attacks under defenses that are told why their guesses do not fit; the report has them all."""


def remarks(analysis: Analysis) -> Iterator[str]:
    """One sentence a line."""
    nothing = fruitless(analysis.evidence)
    if nothing is not None:
        yield nothing
    causes = [first for first, *_ in analysis.diagnoses.values()]
    if causes:
        yield "guesses that do not fit their update, as the attacker can tell:"
    yield from (f"  {cause.sentence}" for cause in causes[:MOST])
    if len(causes) > MOST:
        yield f"  and {len(causes) - MOST} more attacks, in the report"
    yield from analysis.idle_metrics.values()
