"""Draws the page of a run and writes it as one file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fedleak.analysis.evidence import (
    Evidence,
    comparisons_of,
    condition_of,
    condition_of_row,
    defended_in,
    references_of,
)
from fedleak.analysis.judgement import BLIND, attackers, headline, portion, strongest
from fedleak.analysis.untested import Gap, adapted_to, failures_of, poor_matches, untested, used_plugins
from fedleak.formatting import counted, listed
from fedleak.io.atomic import write_atomically
from fedleak.randomness import one_thread
from fedleak.report.adaptive_attackers import Known, known_defenses
from fedleak.report.convergence import Curves, curves
from fedleak.report.frontier import Frontier, frontiers
from fedleak.report.layer_profile import Profile, layer_profile
from fedleak.report.lead_picture import Hero, hero
from fedleak.report.learning import Learning, learning
from fedleak.report.matrix import Panel, panels
from fedleak.report.paired import Pair, pairs
from fedleak.report.pictures import Album, Files
from fedleak.report.provenance import Citation, Recipe, citations, recipe
from fedleak.report.threat_model import Fact, threat_model
from fedleak.report.verdict import Verdict, verdict
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import Summary, summarise

# Everything the page shows, as plain values: what the templates draw is decided here and below, not in them.


@dataclass(frozen=True, kw_only=True)
class Page:
    """The sections of the page, in their order."""

    name: str
    about: str
    """What ran, when: one line below the title."""
    warnings: tuple[str, ...]
    verdict: Verdict
    hero: Hero | None
    threat: tuple[Fact, ...]
    panels: tuple[Panel, ...]
    left_out: tuple[str, ...]
    pictures_left_out: int
    pairs: tuple[Pair, ...]
    pairs_left_out: int
    reference: str
    known: tuple[Known, ...]
    frontiers: tuple[Frontier, ...]
    learning: tuple[Learning, ...]
    curves: tuple[Curves, ...]
    profile: Profile | None
    untested: tuple[Gap, ...]
    recipe: Recipe
    citations: tuple[Citation, ...]


def page_of(run: FinishedRun) -> Page:
    """The page of a run."""
    rows = [row for row in run.rows if row.split == "test"]
    summaries = summarise(run.rows)
    references = references_of(rows, defended_in(run.campaign))
    comparisons = comparisons_of(rows, references)
    images = [s for s in summaries if s.group.metric == headline(attackers(summaries) or summaries, "inputs")]
    worst = strongest([s for s in images if s.group.defense == references[condition_of(s.group)] and s.samples])
    exception = worst is not None and 0 < portion(worst) < 0.5
    telling = _telling(rows, worst, exception=exception)
    focus = _focus(rows, telling or next(iter(rows), None))
    files = Files(run.folder)
    album = Album(files)
    album.fill(images, [row for row in rows if images and row.metric == images[0].group.metric])
    shown, left_out = panels(summaries, album.found)
    lines, more = pairs(comparisons)
    return Page(
        name=run.campaign.name,
        about=_about(run, rows),
        warnings=tuple(_warnings(run, rows)),
        verdict=verdict(
            Evidence(
                summaries=summaries,
                comparisons=comparisons,
                defended=defended_in(run.campaign),
                adapted=adapted_to(run.campaign),
            )
        ),
        hero=hero(files, focus, telling, exception=exception),
        threat=tuple(threat_model(run.campaign)),
        panels=tuple(shown),
        left_out=tuple(left_out),
        pictures_left_out=album.left_out,
        pairs=tuple(lines),
        pairs_left_out=more,
        reference=listed(dict.fromkeys(references.values()), "or"),
        known=tuple(known_defenses(run, images[0].group.metric if images else None)),
        frontiers=tuple(frontiers(images or _of_first_metric(summaries), run.federations)),
        learning=tuple(learning(run.federations)),
        curves=tuple(curves(files, focus)),
        profile=layer_profile(run.folder, focus),
        untested=(*untested(run, summaries), *poor_matches(summaries)),
        recipe=recipe(run),
        citations=tuple(citations(used_plugins(run.campaign))),
    )


def _of_first_metric(summaries: Sequence[Summary]) -> list[Summary]:
    return [summary for summary in summaries if summary.group.metric == summaries[0].group.metric]


def _telling(rows: Sequence[Row], worst: Summary | None, *, exception: bool) -> Row | None:
    """The middle message of the attack that leaked most; where fewer than half its images leaked, the worst one."""
    if worst is None:
        return None
    scored = [row for row in group_rows(rows)[worst.group] if not math.isnan(row.value)]
    if exception:
        return (max if worst.higher_is_better else min)(scored, key=lambda row: row.best)
    return sorted(scored, key=lambda row: row.value)[len(scored) // 2]


def _focus(rows: Sequence[Row], first: Row | None) -> list[Row]:
    """The rows of one message, under every defense and attack: the one that pictures, curves and layers show."""
    return [
        row
        for row in rows
        if first is not None
        and condition_of_row(row) == condition_of_row(first)
        and (row.metric, row.seed, row.round) == (first.metric, first.seed, first.round)
        and row.client in (first.client, AGGREGATE)
    ]


def _about(run: FinishedRun, rows: Sequence[Row]) -> str:
    attacks = len({row.attack for row in rows if row.algorithm not in BLIND})
    defenses = len({row.defense for row in rows})
    messages = len({(row.federation, row.defense, row.seed, row.round, row.client) for row in rows})
    seeds = len({row.seed for row in rows})
    return (
        f"{counted(attacks, 'attack')} on {counted(messages, 'message')} under {counted(defenses, 'defense')}, "
        f"{counted(seeds, 'seed')}; fedleak {run.manifest.fedleak}, {run.manifest.started[:10]}"
    )


def _warnings(run: FinishedRun, rows: Sequence[Row]) -> Iterator[str]:
    if run.unfinished:
        yield (
            f"This run is not finished: {counted(run.unfinished, 'planned cell')} of it {_were(run.unfinished)} not "
            "run. What follows is what there is so far; the same command goes on from here."
        )
    failed = sum(failures_of(rows).values())
    if failed:
        messages = counted(failed, "attacked message")
        yield f"{messages} {_lacks(failed)} a figure; “What was not tested” says why."


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _lacks(count: int) -> str:
    return "lacks" if count == 1 else "lack"


def write_report(run: FinishedRun, path: Path) -> Path:
    """Writes the page whole; raises `OutputError` where it cannot be written."""
    with one_thread():  # many small tensors: other threads would only be waited for
        page = page_of(run)
    return write_atomically(path, render(page).encode())


def render(page: Page) -> str:
    """The page as HTML; everything that comes from outside is escaped."""
    return _environment().get_template("page.html.j2").render(page=page)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from fedleak.report.charts import frontier_chart, line_chart  # matplotlib takes a while, and only a page needs it

    environment = Environment(
        loader=PackageLoader("fedleak.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line_chart": line_chart, "frontier_chart": frontier_chart}
    return environment
