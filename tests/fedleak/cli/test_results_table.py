"""Results table: figures in the width of a terminal, with the names of all attacks."""

import io

import pytest
from rich.console import Console

from fedleak.cli.results_table import note_on, results_tables

METRICS = ("column-accuracy", "column-auc", "ppv-100")
ATTACKS = ("imputer-and-model", "shapley-inversion", "served-secret-beam-search")


@pytest.mark.parametrize("width", [72, 80, 120, 300])
def test_names_are_whole_beside_long_names_of_metrics(make_summary, width):
    named = [*METRICS, *(f"{name}-of-others" for name in METRICS)]
    tables = results_tables([make_summary(0.7, metric=m, attack=a) for m in named for a in ATTACKS], width)
    for table in tables:
        shown = _shown(table, width)
        assert all(attack in shown for attack in ATTACKS)
        assert "…" not in shown
    assert [str(column.header).split()[0] for table in tables for column in table.columns[1:]] == named


def test_metrics_stand_side_by_side_where_they_fit(make_summary):
    psnr, ssim = make_summary(30.0), make_summary(0.5, metric="ssim")
    assert len(results_tables([psnr, ssim], 80)) == 1
    assert len(results_tables([psnr, ssim], 50)) == 2
    assert results_tables([], 80) == []


@pytest.mark.parametrize(("metrics", "said"), [
    (["psnr", "label-recall"], "no access: public examples drawn at random; below"),
    (["psnr", "membership-auc"], "no access: public examples drawn at random or the same score for each candidate;"),
    (["payload-images"], "no access: what the same attack reads in a model of clean code;"),
    (["column-accuracy"], "an imputer that learnt from public rows, or of labels a classifier on the attacker's own c"),
])  # fmt: skip
def test_the_note_says_what_guesses_without_access(make_summary, metrics, said):
    assert said in note_on([make_summary(0.5, metric=metric) for metric in metrics])


def _shown(table, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()
