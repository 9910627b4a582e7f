"""The page of a run whose attacks looked at released models alone: what fits them, and nothing of updates."""

import re

import pytest

from fedleak.analysis.analysis import Analysis
from fedleak.errors import NotApplicable
from fedleak.experiment.grid import parse_campaign
from fedleak.report import classes
from fedleak.report.classes import classes_of
from fedleak.report.page import page_of, render
from fedleak.run import run
from fedleak.runs.reading import read_run

pytestmark = pytest.mark.slow

TREE = {
    "name": "models",
    "seed": [1, 2],
    "task": "digits-mlp",
    "federation": {"clients": 2, "rounds": 2, "batch_size": 16, "batches": "all", "release": "last"},
    "adversary": {"auxiliary": 64, "lacks": [0, 1], "queries": [8, 40]},
    "attacks": [
        {"use": "confidence-inversion"},
        {"use": "plain", "attack": {"use": "confidence-inversion"}},
        {"use": "mi-face", "steps": 5},
    ],
    "defenses": [{"name": "none"}, {"name": "label", "chain": [{"use": "label-only"}]}],
}
OF_UPDATES = ("shape gives away", "over their iterations", "Fisher bound", "oracle:", "A malicious server", "(sum)",
              "example 0", "client model", "no update used")  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return read_run(run(parse_campaign(TREE), tmp_path_factory.mktemp("models") / "run").folder.root)


@pytest.fixture(scope="module")
def page(finished):
    return page_of(finished, Analysis.of(finished))


@pytest.fixture(scope="module")
def text(page):
    return re.sub(r"<style>.*?</style>", "", render(page), flags=re.S)


def test_the_sections_of_a_model_are_there_and_those_of_updates_are_not(text):
    headings = re.findall(r"<h2[^>]*>([^<]*)", text)
    assert headings[:4] == ["Verdict", "What the model tells of classes", "Threat model", "Who holds what"]
    assert "Leak over queries" in headings
    assert "Against attackers who know the defense" in headings
    assert [words for words in OF_UPDATES if words in text] == []


def test_each_class_has_a_picture_of_what_is_private_blind_and_guessed(page, text):
    shown = page.classes
    assert shown.columns == ("class 0", "class 1")
    titles = [(row.title, row.subtitle) for row in shown.rows]
    assert titles[:2] == [("private class mean", ""), ("private example", "the first")]
    guesses = [("none", "confidence-inversion"), ("none", "plain confidence-inversion"), ("none", "mi-face"),
               ("label", "confidence-inversion"), ("label", "plain confidence-inversion")]  # fmt: skip
    assert titles[4:] == guesses  # the weights are the same under both
    tiles = [tile for row in shown.rows for tile in row.tiles]
    assert all(tile.source.startswith("data:image/png") for tile in tiles)
    assert all(f'src="{tile.source}"' in text for tile in tiles)


def test_how_often_the_judges_err_is_said_or_that_nobody_knows(page, finished, monkeypatch):
    (words,) = page.classes.judges
    assert re.search(r"support vectors \d\.\d% and nearest neighbours \d\.\d%\.$", words)

    def nobody(source):
        raise NotApplicable("the data are not at hand")

    monkeypatch.setattr(classes, "judges_of", nobody)
    (words,) = classes_of(finished.folder, finished.campaign).judges
    assert words.endswith("err is not known here: the data are not at hand.")


def test_it_counts_models_and_says_what_guessing_without_access_is(page):
    assert page.about.startswith("3 attacks on 4 models under 2 defenses, 2 seeds")
    assert "made without access, one and the same" in page.verdict.measure
    assert page.verdict.lead[0].startswith("Without a defense, ")
    assert all("Under  " not in words and "Under and" not in words for words in page.verdict.lead)


def test_clients_hold_what_they_trained_on_where_no_batch_was_kept(page):
    (one, *_) = page.holdings
    assert len(one.counts) == 2
    assert all(len(own) == 10 and sum(own) > 100 for own in one.counts)


def test_what_the_model_was_not_asked_is_a_gap(page):
    titles = [gap.title for gap in page.untested]
    assert "Updates" in titles
    assert not {"Answers", "Weights", "A server that knows less", "Larger batches", "Later rounds"} & set(titles)


def test_defenses_of_answers_are_priced_once(page):
    assert [one.where for one in page.learning] == ["digits-mlp"]
