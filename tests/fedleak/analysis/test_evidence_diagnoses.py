"""Why guesses do not fit is counted by message, whatever the number of metrics."""

from fedleak.analysis.evidence import diagnosed
from fedleak.results.schema import AGGREGATE
from fedleak.statistics.summary import summarize

RANK = {"trouble": "rank", "diagnosis": "3 entries for 64 unknown pixels"}
STEPS = {"trouble": "local-steps", "diagnosis": "the update is of 5 local steps: try surrogate-model"}
RECALL = {"metric": "label-recall", "unit": "share of labels"}


def sentences(rows):
    return [cause.sentence for causes in diagnosed(summarize(rows)).values() for cause in causes]


def test_the_most_frequent_cause_comes_first_with_the_words_of_its_first_message(make_row):
    causes = [RANK, STEPS, {**STEPS, "diagnosis": "of 7"}, {}]
    rows = [make_row(1.0, client=i, **cause, **metric) for i, cause in enumerate(causes) for metric in ({}, RECALL)]
    assert sentences(rows) == [
        "dlg under none, 2 of 4 messages, such as: the update is of 5 local steps: try surrogate-model",
        "dlg under none, 1 of 4 messages: 3 entries for 64 unknown pixels",
    ]


def test_attack_defense_setting_and_sender_are_told_apart(make_row):
    rows = [
        make_row(1.0, defense="noisy", setting={"federation.batch_size": 4}, **RANK),
        make_row(1.0, client=AGGREGATE, **RANK),
    ]
    assert sentences(rows) == [
        "dlg under noisy, batch_size=4, 1 of 1 message: 3 entries for 64 unknown pixels",
        "dlg on the sum under none, 1 of 1 message: 3 entries for 64 unknown pixels",
    ]


def test_a_guess_that_fits_has_no_cause(make_row):
    assert sentences([make_row(1.0), make_row(client=1)]) == []
