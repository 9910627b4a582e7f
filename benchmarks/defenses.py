"""Measures what each defense leaves and costs, by the preset `compare-defenses.toml`: docs/defenses.md.

    python benchmarks/defenses.py run [--data FOLDER] [--jobs N] [--seeds N] [--out FOLDER]   into docs/defenses.json
    python benchmarks/defenses.py write                                                       from it alone

`run` does what `fedleak compare` does, on tiles of photographs, and with `--data` also on CIFAR-10 from
FOLDER/cifar10-jpeg/test/CLASS/*.jpg: some two hours of processor time each. It can be stopped and goes on
where it stopped: the runs are in `--out`.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from math import isfinite
from typing import Any

from defenses_page import page
from study import Study

from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.strongest import strongest
from fedleak.cli.comparison_table import comparison_facts
from fedleak.experiment.campaign import distinct
from fedleak.experiment.comparison import compared
from fedleak.experiment.naming import labeled_attacks
from fedleak.results.schema import finite_or_null
from fedleak.run import Outcome
from fedleak.settings.base import Table
from fedleak.statistics.group import Group
from fedleak.statistics.summary import Summary

IMAGES, SECOND, LABELS = "psnr", "ssim", "label-recall"
TUNED = ("total_variation", "steps", "restarts")
SEEDS = 10


def facts(outcome: Outcome) -> Mapping[str, Any]:
    """Every defense of a run, and how long its attacks and its training took."""
    analysis = outcome.analysis
    tables = {label: table for one in distinct(analysis.campaign) for label, table in labeled_attacks(one).items()}
    rows = [
        {**described, **_figures(result, analysis.summaries, tables)}
        for result, described in zip(
            analysis.defenses(IMAGES), comparison_facts(analysis.defenses(IMAGES)), strict=True
        )
    ]
    attacked = {(row.defense, row.attack, row.seed, row.client, row.round): row.seconds for row in analysis.rows}
    trained = {(row.federation, row.defense, row.seed): row.seconds for row in analysis.federations}
    return {
        "rows": [{key: finite_or_null(value) for key, value in row.items()} for row in rows],
        "attack_seconds": round(sum(attacked.values())),
        "training_seconds": round(sum(trained.values())),
        "trained_seeds": len({row.seed for row in analysis.federations if isfinite(row.accuracy)}),
    }


def _figures(result: DefenseResult, summaries: tuple[Summary, ...], tables: Mapping[str, Table]) -> dict[str, Any]:
    """What the page says beyond what `compare` does."""
    worst, gain = result.strongest, result.knowing
    return {
        "rebuilt": worst.leaked if worst else None,
        "samples": len(worst.samples) if worst else None,
        "threshold": worst.threshold if worst else None,
        "seeds": worst.seeds if worst else None,
        "gain_low": gain.interval.low if gain else None,
        "gain_high": gain.interval.high if gain else None,
        "gain_p": gain.p_value if gain else None,
        "knowing_options": _options(gain.group, tables) if gain else None,
        "control_options": _options(gain.reference, tables) if gain else None,
        **dict(_by_others(result, summaries)),
    }


def _options(group: Group, tables: Mapping[str, Table]) -> dict[str, Any]:
    """What tuning chose among, of an attack or of the one within its plain form; None where that is its default."""
    table = tables[group.attack]
    return {name: table.get("attack", table).get(name) for name in TUNED}


def _by_others(result: DefenseResult, summaries: tuple[Summary, ...]) -> Iterator[tuple[str, float]]:
    """By the other metrics: what the strongest of all attackers got."""
    for metric in (SECOND, LABELS):
        own = [s for s in summaries if s.group.defense == result.defense and s.group.metric == metric]
        worst = strongest(own)
        if worst is not None:
            yield metric, worst.mean
            yield f"{metric}_guess", max(worst.prior, worst.no_access)


STUDY = Study(
    name="defenses", preset="compare-defenses", facts=facts, page=page, completed=partial(compared, seeds=SEEDS)
)

if __name__ == "__main__":
    sys.exit(STUDY.main(__doc__))
