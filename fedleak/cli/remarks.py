"""What a run's figures do not show by themselves: attacks that found nothing, guesses that do not fit, idle metrics."""

from collections.abc import Iterable, Iterator

from fedleak.analysis.diagnoses import diagnosed
from fedleak.analysis.evidence import Evidence, defended_in
from fedleak.analysis.untested import idle_metrics
from fedleak.experiment.campaign import Campaign
from fedleak.report.verdict import fruitless
from fedleak.results.row import Row
from fedleak.statistics.summary import summarise

MOST = 12
"""Attacks under defenses that are told why their guesses do not fit; the report has them all."""


def remarks(campaign: Campaign, rows: Iterable[Row]) -> Iterator[str]:
    """One sentence a line."""
    summaries = summarise(rows)
    nothing = fruitless(Evidence(summaries=summaries, comparisons=(), defended=defended_in(campaign)))
    if nothing is not None:
        yield nothing
    causes = [first for first, *_ in diagnosed(summaries).values()]
    if causes:
        yield "guesses that do not fit their update, as the attacker can tell:"
    yield from (f"  {cause.sentence}" for cause in causes[:MOST])
    if len(causes) > MOST:
        yield f"  and {len(causes) - MOST} more attacks, in the report"
    yield from idle_metrics(campaign).values()
