"""Secrets in the report: figures, the first guess beside the truth, and the chart."""

import math
from pathlib import Path

import pytest
import torch

from fedleak.experiment.grid import parse_campaign
from fedleak.formatting import DASH
from fedleak.learning.secret_format import SecretFormat
from fedleak.report.secrets import GUESSING, TIMES, _beside, secrets_found
from fedleak.runs.folder import RunFolder
from fedleak.statistics.summary import summarize

ALL = math.log2(10_000)
BY_CHANCE = ALL - math.lgamma(10_001) / math.log(2) / 10_000
PLACE = {"task": "pydoc-gru", "attack": "secret-ranking", "algorithm": "secret-ranking", "client": "model"}
TREE = {
    "name": "what was typed?",
    "seed": 1,
    "task": {"data": "pydoc", "network": "gru", "options": {"hidden": 8}},
    "federation": {
        "clients": 2,
        "rounds": 1,
        "examples": 120,
        "batch_size": 40,
        "batches": "all",
        "learning_rate": 1.0,
        "release": "last",
        "canary": {"format": "pin {digits}", "digits": 2, "times": [1, 4], "client": 1},
    },
    "adversary": {"auxiliary": 120, "queries": 11},
    "attacks": [{"use": "secret-ranking"}, {"use": "served-secret-beam-search"}],
    "defenses": [{"name": "none"}, {"name": "private", "chain": [{"use": "dp-sgd", "noise_multiplier": 1.0}]}],
}


@pytest.fixture
def rows(make_row):
    """Of two defenses at one and 16 times: what is ranked first has all bits."""
    values = {("none", 1): (2.0, 4.0), ("none", 16): (ALL, ALL), ("private", 1): (1.0, 1.2)}
    return [
        make_row(value, **facts, defense=defense, seed=seed, setting={TIMES: times}, **PLACE)
        for (defense, times), both in values.items()
        for seed, exposure in enumerate(both)
        for value, facts in (
            (exposure, {"metric": "exposure", "unit": "bits", "baseline": BY_CHANCE}),
            (float(exposure > 13), {"metric": "exact-secret", "unit": "share of secrets", "baseline": 1e-4}),
        )
    ]


def test_a_line_has_the_figures_of_all_seeds_and_the_chart_one_line_for_each_defense(rows, tmp_path: Path) -> None:
    found = secrets_found(RunFolder(tmp_path), parse_campaign(TREE), rows, summarize(rows))
    assert [(line.defense, line.exact, line.found) for line in found.lines] == [
        ("none", "0 of 2", (DASH,)),
        ("none", "2 of 2", (DASH,)),
        ("private", "0 of 2", (DASH,)),
    ]
    assert found.lines[0].exposure.startswith("3")
    (chart,) = found.charts
    assert chart.points["none"] == [(1.0, 3.0), (16.0, pytest.approx(ALL))]
    assert chart.points["private"] == [(1.0, pytest.approx(1.1))]
    assert [place for place, _ in chart.points[GUESSING]] == [1.0, 16.0]
    assert chart.at == (1.0, 16.0)
    assert chart.over == "times that the secret was typed"
    assert "secret-ranking under “none”" in found.sentence
    assert "13.3 (" in found.sentence
    assert all(high <= ALL + 1e-9 for own in chart.intervals.values() for _, _, high in own)


def test_a_run_without_figures_of_secrets_has_no_section(make_row, tmp_path: Path) -> None:
    for own in ([], [make_row(math.nan, metric="exposure", unit="bits", **PLACE)], [make_row(20.0)]):
        assert secrets_found(RunFolder(tmp_path), parse_campaign(TREE), own, summarize(own)) is None


def test_a_secret_that_is_said_once_needs_no_chart(rows, tmp_path: Path) -> None:
    once = [row for row in rows if row.setting[TIMES] == 1]
    assert secrets_found(RunFolder(tmp_path), parse_campaign(TREE), once, summarize(once)).charts == ()


def test_the_words_say_where_the_secret_is_in_the_order() -> None:
    format, scores = SecretFormat.of("pin {digits}", 2), torch.arange(100.0)
    assert _beside(format, "99", scores) == "99 found"
    assert _beside(format, "97", scores) == "97 at 3 of 100, first 99"
    scores[:50] = math.nan
    assert _beside(format, "07", scores) == "07 at 51 to 100 of 100, first 99"
