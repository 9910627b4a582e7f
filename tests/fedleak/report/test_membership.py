"""Members among strangers, as a section of the page: what is drawn is what metrics say, and only where it was asked."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedleak.analysis.analysis import Analysis
from fedleak.evaluation.message import Message
from fedleak.experiment.grid import parse_campaign
from fedleak.report.membership import FEWEST, GUESSING, members, tried_in
from fedleak.report.page import page_of, render
from fedleak.run import run
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_run

TREE = {
    "name": "members", "seed": [1, 2], "task": "digits-mlp", "metrics": ["membership-auc", "membership-tpr"],
    "attacks": [{"use": "loss-threshold"}],
    "federation": {"clients": 2, "rounds": 2, "examples": 20, "batch_size": 10, "batches": "all", "release": "last"},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return read_run(run(parse_campaign(TREE), tmp_path_factory.mktemp("members") / "run").folder.root)


@pytest.fixture
def guessing(finished, tmp_path):
    """The same run where the attack guessed what a function makes of the challenge."""

    def made(scores):
        folder = RunFolder(shutil.copytree(finished.folder.root, tmp_path / "run"))
        for row in {row.seed: row for row in finished.rows}.values():
            challenge = Message.of(folder, row).challenge
            saved = cell_file.load(folder.cell(row))
            guess = replace(saved.guess, membership=scores(challenge))
            cell_file.save(folder.cell(row), replace(saved, guess=guess))
        return read_run(folder.root)

    return made


def perfect(challenge):
    scores = torch.full((len(challenge.candidates),), torch.nan)  # without a score one is the least likely
    scores[challenge.members] = 1.0
    return scores


def test_the_share_found_is_what_the_metric_says(finished):
    (tried,) = tried_in(finished.folder, finished.rows[::2])
    values = {row.seed: row.value for row in finished.rows if row.metric == "membership-tpr"}
    assert tried.seeds == (1, 2)
    assert tried.strangers == 500
    assert tried.found(0.01).mean == pytest.approx(np.mean(list(values.values())))
    areas = [row.value for row in finished.rows if row.metric == "membership-auc"]
    assert [float(one.below.mean()) for one in tried.placed] == pytest.approx(areas)


def test_each_attack_has_a_line_and_each_defense_a_chart_with_the_diagonal(finished):
    section = members(finished.folder, finished.rows)
    (line,), (chart,) = section.lines, section.charts
    assert (line.attack, line.defense, line.asked) == ("loss-threshold", "none", "2 models, 500 strangers each")
    assert line.fewest.endswith(" at 0.2%")
    assert list(chart.points) == ["loss-threshold", GUESSING]
    assert list(chart.points[GUESSING]) == [(FEWEST, FEWEST), (1.0, 1.0)]
    assert chart.points["loss-threshold"][0][0] == 1 / 500
    assert chart.points["loss-threshold"][-1] == (1.0, 1.0)
    assert chart.lowest == FEWEST
    page = page_of(finished, Analysis.of(finished))
    text = render(page)
    assert section.sentence in text
    assert '<a href="#members">' in text
    assert "embers among strangers" not in render(replace(page, members=None))


def test_a_perfect_attack_is_at_1_everywhere(guessing):
    run = guessing(perfect)
    (chart,) = members(run.folder, run.rows).charts
    assert {found for _, found in chart.points["loss-threshold"]} == {1.0}


def test_equal_scores_lie_on_the_diagonal(guessing):
    run = guessing(lambda challenge: torch.zeros(len(challenge.candidates)))
    section = members(run.folder, run.rows)
    for rate, found in section.charts[0].points["loss-threshold"]:
        assert found == pytest.approx(rate)
    assert section.lines[0].few.startswith("0.01")
    assert section.lines[0].fewest.startswith("0.002")


def test_what_finds_nobody_is_drawn_at_the_edge_and_said_to_be_nothing(guessing):
    run = guessing(lambda challenge: -perfect(challenge).nan_to_num(nan=0.0))
    section = members(run.folder, run.rows)
    curve = section.charts[0].points["loss-threshold"]
    assert curve[0] == (1 / 500, FEWEST)
    assert curve[-1] == (1.0, 1.0)
    assert section.lines[0].few.startswith("0.00")


def test_where_a_cell_is_gone_the_page_is_made_and_says_so(finished, tmp_path):
    folder = RunFolder(shutil.copytree(finished.folder.root, tmp_path / "run"))
    stem = folder.cell(finished.rows[0])
    stem.with_name(f"{stem.name}.json").unlink()
    section = members(folder, finished.rows)
    assert section.lines == section.charts == ()
    assert section.sentence.startswith("Who was told from whom cannot be shown: ")


def test_without_metrics_of_membership_there_is_no_section(finished, make_row):
    assert members(finished.folder, [make_row(12.0)]) is None
    unscored = [replace(row, per_sample=()) for row in finished.rows]
    assert members(finished.folder, unscored) is None
