"""Everything the page shows, as plain values: what the templates draw is decided here and below, not in them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.campaign.reading import FinishedRun
from fedleak.report.citations import Citation, citations
from fedleak.report.conditions import (
    Condition,
    eligible,
    headline,
    setting_of,
    strongest,
)
from fedleak.report.curves import Curves, curves
from fedleak.report.evidence import Evidence
from fedleak.report.files import Files
from fedleak.report.frontier import Frontier, frontiers
from fedleak.report.hero import Hero, hero
from fedleak.report.layering import Profile, layer_profile
from fedleak.report.matrix import Panel, panels
from fedleak.report.paired import Pair, pairs
from fedleak.report.pictures import Album
from fedleak.report.reproduce import Recipe, recipe
from fedleak.report.threat import Fact, chains_of, threat_model
from fedleak.report.untested import Gap, failures_of, untested, used_plugins
from fedleak.report.verdict import Verdict, verdict
from fedleak.report.words import counted
from fedleak.results import AGGREGATE, Row
from fedleak.statistics.comparison import compare_defenses
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import Summary, summarise


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
    frontiers: tuple[Frontier, ...]
    curves: tuple[Curves, ...]
    profile: Profile | None
    untested: tuple[Gap, ...]
    recipe: Recipe
    citations: tuple[Citation, ...]


def page_of(run: FinishedRun) -> Page:
    """The page of a run."""
    rows = [row for row in run.rows if row.split == "test"]
    summaries = summarise(run.rows)
    defended = {name: bool(chain) for name, chain in chains_of(run.campaign).items()}
    reference = _reference(rows, defended)
    comparisons = compare_defenses(rows, reference) if rows else []
    images = [summary for summary in summaries if summary.group.metric == headline(summaries, "inputs")]
    worst = _worst_under(reference, images)
    typical = _typical(rows, worst)
    focus = _focus(rows, typical or next(iter(rows), None))
    files = Files(run.folder)
    album = Album(files)
    album.fill(images, [row for row in rows if images and row.metric == images[0].group.metric])
    shown, left_out = panels(summaries, album.found)
    lines, more = pairs(comparisons)
    return Page(
        name=run.campaign.name,
        about=_about(run, rows),
        warnings=tuple(_warnings(run, rows)),
        verdict=verdict(Evidence(summaries=summaries, comparisons=comparisons, defended=defended)),
        hero=hero(files, focus, typical),
        threat=tuple(threat_model(run.campaign)),
        panels=tuple(shown),
        left_out=tuple(left_out),
        pictures_left_out=album.left_out,
        pairs=tuple(lines),
        pairs_left_out=more,
        reference=reference,
        frontiers=tuple(frontiers(eligible(images or summaries), run.federations)),
        curves=tuple(curves(files, focus)),
        profile=layer_profile(run.folder, focus),
        untested=tuple(untested(run, summaries)),
        recipe=recipe(run),
        citations=tuple(citations(used_plugins(run.campaign))),
    )


def _reference(rows: Sequence[Row], defended: Mapping[str, bool]) -> str:
    """The defense that the others are compared with: none at all where the run has that, else its first."""
    present = dict.fromkeys(row.defense for row in rows)
    bare = (name for name in present if not defended.get(name, True))
    return next(bare, next(iter(present), ""))


def _worst_under(defense: str, images: Sequence[Summary]) -> Summary | None:
    return strongest([s for s in eligible(images) if s.group.defense == defense and s.samples])


def _typical(rows: Sequence[Row], worst: Summary | None) -> Row | None:
    """The middle message of the attack that leaked most: neither the most telling one nor the least."""
    if worst is None:
        return None
    scored = [row for row in group_rows(rows)[worst.group] if not math.isnan(row.value)]
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


def condition_of_row(row: Row) -> Condition:
    """Where a row was measured."""
    return Condition(task=row.task, setting=setting_of(row))


def _about(run: FinishedRun, rows: Sequence[Row]) -> str:
    attacks = len({row.attack for row in rows})
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
        yield f"{messages} {_has(failed)} no figure at all; “What was not tested” says why."


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"
