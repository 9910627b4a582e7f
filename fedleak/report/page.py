"""Report page: everything it shows as plain values, drawn by templates and written as one file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import condition_of, condition_of_row
from fedleak.analysis.judgement import BASELINES, blind_guesses, kind_of, portion
from fedleak.analysis.strongest import strongest
from fedleak.analysis.untested import Gap, poor_matches, used_plugins
from fedleak.formatting import counted, listed, plural
from fedleak.io.atomic import write_atomically
from fedleak.randomness import one_thread
from fedleak.report.adaptive_attackers import Known, known_defenses
from fedleak.report.alarms import Alarms, alarms
from fedleak.report.classes import Classes, classes_of, hidden_of
from fedleak.report.cohort_size import CohortCurve, cohort_curves
from fedleak.report.columns import HiddenColumns, hidden_columns
from fedleak.report.convergence import Curves, curves
from fedleak.report.detection import Detection, detection
from fedleak.report.frontier import Frontier, frontiers
from fedleak.report.holdings import Holdings, holdings
from fedleak.report.layer_profile import Profile, layer_profile
from fedleak.report.lead_picture import LeadPicture, lead_picture_of
from fedleak.report.leak_over_queries import LeakOverQueries, leak_over_queries
from fedleak.report.learning import Learning, learning, rounds_lost, values_cut
from fedleak.report.matrix import Panel, panels
from fedleak.report.membership import Members, members
from fedleak.report.paired import Pair, pairs
from fedleak.report.pictures import Album, Files
from fedleak.report.provenance import Citation, Recipe, citations, recipe
from fedleak.report.secrets import SecretsFound, secrets_found
from fedleak.report.server_gallery import Servers, servers_of
from fedleak.report.tampering import beside_clean
from fedleak.report.threat_model import Fact, threat_model
from fedleak.report.traffic import Watch, watch
from fedleak.report.verdict import Verdict, verdict
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, MODEL
from fedleak.runs.manifest import Manifest
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.summary import Summary


def write_report(run: FinishedRun, analysis: Analysis, path: Path) -> Path:
    """Writes the page whole; raises `OutputError` where it cannot be written."""
    with one_thread():  # many small tensors: other threads would only be waited for
        page = page_of(run, analysis)
    return write_atomically(path, render(page).encode())


@dataclass(frozen=True, kw_only=True)
class Page:
    """The sections of the page, in their order."""

    name: str
    about: str
    """What ran, when: one line below the title."""
    warnings: tuple[str, ...]
    verdict: Verdict
    lead_picture: LeadPicture | None
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
    cohorts: tuple[CohortCurve, ...]
    members: Members | None
    columns: HiddenColumns | None
    blindly: str
    """What stands in for no access."""
    secrets: SecretsFound | None
    watch: Watch | None
    alarms: tuple[Alarms, ...]
    detection: Detection | None
    servers: Servers | None
    classes: Classes | None
    hidden_images: Classes | None
    queries: tuple[LeakOverQueries, ...]
    holdings: tuple[Holdings, ...]
    curves: tuple[Curves, ...]
    profile: Profile | None
    untested: tuple[Gap, ...]
    recipe: Recipe
    citations: tuple[Citation, ...]
    samples: str
    """What leaks one by one, of every kind that was attacked: `images or labels`."""
    thing: str
    """What attacks read: `update`, or `model` where that is all they looked at."""


def render(page: Page) -> str:
    """The page as HTML; everything that comes from outside is escaped."""
    return _environment().get_template("page.html.j2").render(page=page)


def page_of(run: FinishedRun, analysis: Analysis) -> Page:
    """The page of a run: its files lie in the folder of `run`, and `analysis` is what it shows."""
    rows, summaries = analysis.test_rows, analysis.summaries
    images = [s for s in summaries if s.group.metric == analysis.image_metric]
    results = analysis.defenses(analysis.main_metric) if analysis.main_metric is not None else ()
    worst = _undefended(analysis, images)
    exception = worst is not None and 0 < portion(worst) < 0.5
    lead = _lead_row(analysis, worst, exception=exception)
    focus = _focus(rows, lead or next(iter(rows), None))
    files = Files(run.folder)
    album = Album(files)
    album.fill(images, [row for row in rows if row.metric == analysis.image_metric])
    shown, left_out = panels(summaries, album.found)
    lines, more = pairs(analysis.comparisons)
    return Page(
        name=run.campaign.name,
        about=_about(run.manifest, rows),
        warnings=tuple(_warnings(analysis)),
        verdict=verdict(analysis.evidence),
        lead_picture=lead_picture_of(files, focus, lead, exception=exception),
        threat=tuple(threat_model(run.campaign)),
        panels=tuple(shown),
        left_out=tuple(left_out),
        pictures_left_out=album.left_out,
        pairs=tuple(lines),
        pairs_left_out=more,
        reference=listed(dict.fromkeys(analysis.references.values()), "or"),
        known=tuple(known_defenses(results if _told_of_knowing(analysis) else (), rows, files)),
        frontiers=tuple(frontiers(results)),
        learning=tuple(learning(analysis.federations)),
        cohorts=tuple(cohort_curves(run.campaign, summaries, analysis.image_metric)),
        members=members(run.folder, rows),
        columns=hidden_columns(summaries),
        blindly=listed(blind_guesses(summaries), "or"),
        secrets=secrets_found(run.folder, run.campaign, rows, summaries),
        watch=watch(run),
        alarms=tuple(alarms(analysis.federations)),
        detection=detection(run.folder, rows),
        servers=servers_of(run, analysis.federations, analysis.evidence.example),
        classes=classes_of(run.folder, run.campaign),
        hidden_images=hidden_of(run.folder, run.campaign),
        queries=tuple(leak_over_queries(run.campaign, summaries)),
        holdings=tuple(holdings(files, rows)),
        curves=tuple(curves(files, focus)),
        profile=layer_profile(files, focus),
        untested=(*analysis.untested, *poor_matches(chain.from_iterable(analysis.diagnoses.values()))),
        recipe=recipe(run),
        citations=tuple(citations(used_plugins(run.campaign))),
        samples=_samples(analysis),
        thing="model" if analysis.evidence.of_models else "update",
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from fedleak.report.charts import bubble_chart, frontier_chart, line_chart  # matplotlib takes a while,
    from fedleak.report.roc_chart import roc_chart  # and only a page needs it

    environment = Environment(
        loader=PackageLoader("fedleak.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line_chart": line_chart, "roc_chart": roc_chart}
    environment.filters |= {"frontier_chart": frontier_chart, "bubble_chart": bubble_chart}
    return environment


def _samples(analysis: Analysis) -> str:
    nouns = [plural(analysis.evidence.noun(kind)) for kind in analysis.evidence.kinds]
    return listed(dict.fromkeys(nouns), "or") or "samples"


def _told_of_knowing(analysis: Analysis) -> bool:
    """Whether what knowing a defense was worth is told by the main metric: on images, or on images of classes."""
    return analysis.main_metric is not None and kind_of(analysis.main_metric) in ("inputs", "representatives")


def _undefended(analysis: Analysis, images: Sequence[Summary]) -> Summary | None:
    """The strongest attack on images under what the defenses are compared with."""
    references = analysis.references
    return strongest([s for s in images if s.group.defense == references[condition_of(s.group)] and s.samples])


def _lead_row(analysis: Analysis, worst: Summary | None, *, exception: bool) -> Row | None:
    """The middle message of the attack that leaked most; where fewer than half its images leaked, the worst one."""
    if worst is None:
        return None
    scored = [row for row in analysis.groups[worst.group] if not math.isnan(row.value)]
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


def _about(manifest: Manifest, rows: Sequence[Row]) -> str:
    attacks = len({row.attack for row in rows if row.algorithm not in BASELINES})
    defenses = len({row.defense for row in rows})
    attacked = {(row.federation, row.defense, row.seed, row.round, row.client) for row in rows}
    models = sum(client == MODEL for *_, client in attacked)
    messages = [
        counted(count, noun) for count, noun in ((len(attacked) - models, "message"), (models, "model")) if count
    ]
    seeds = len({row.seed for row in rows})
    return (
        f"{counted(attacks, 'attack')} on {listed(messages)} under {counted(defenses, 'defense')}, "
        f"{counted(seeds, 'seed')}; fedleak {manifest.fedleak}, {manifest.started[:10]}"
    )


def _warnings(analysis: Analysis) -> Iterator[str]:
    left = analysis.unfinished
    if left:
        yield (
            f"This run is not finished: {counted(left, 'planned cell')} of it {_were(left)} not "
            "run. What follows is what there is so far; the same command goes on from here."
        )
    yield from values_cut(analysis.federations)
    yield from rounds_lost(analysis.federations)
    yield from beside_clean(analysis.federations)
    failed = sum(analysis.failures.values())
    if failed:
        messages = counted(failed, f"attacked {'model' if analysis.evidence.of_models else 'message'}")
        yield f"{messages} {'lacks' if failed == 1 else 'lack'} a figure; “What was not tested” says why."


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
