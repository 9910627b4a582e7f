"""Which figures stand for what, and what they are compared with."""

import pytest

from fedleak.report.conditions import Condition, eligible, headline, kind_of, strongest


def test_the_headline_is_the_first_metric_with_a_figure(make_summary):
    summaries = [make_summary(metric="psnr"), make_summary(0.1, metric="mse"), make_summary(1.0, metric="label-recall")]
    assert (headline(summaries, "inputs"), headline(summaries, "labels")) == ("mse", "label-recall")
    assert headline(summaries[:1], "inputs") is None


def test_a_metric_that_is_not_installed_is_of_no_kind():
    assert kind_of("someone-else-s") == "unknown"


def test_only_the_variants_that_tuning_chose_are_eligible(make_summary):
    chosen, lucky = make_summary(1.0, attack="dlg", tuned=True), make_summary(9.0, attack="dlg steps=9")
    other = make_summary(2.0, attack="idlg")
    assert eligible([chosen, lucky, other]) == [chosen, other]


def test_the_strongest_is_the_one_that_is_beyond_guessing_not_the_highest(make_summary):
    sure, wild = make_summary(15.0), make_summary(19.0, half=30.0, attack="wild")
    assert strongest([wild, sure]) == sure
    assert strongest([]) is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((), "digits-mlp"),
        ((("federation.batch_size", 4), ("vary", "two epochs")), "digits-mlp, batch_size=4, two epochs"),
    ],
)
def test_a_condition_in_words(setting, words):
    assert Condition(task="digits-mlp", setting=setting).words == words
