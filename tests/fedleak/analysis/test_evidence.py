"""What is compared with what."""

import pytest

from fedleak.analysis.conditions import Condition
from fedleak.analysis.evidence import comparisons_of, comparisons_of_chosen, example_of, references_of
from fedleak.experiment.grid import parse_campaign

PLAIN, NOISY = (Condition(task="digits-mlp", setting=(("vary", name),)) for name in ("plain", "noisy"))


def rows_of(make_row, where, *defenses, **changed):
    return [
        make_row(20.0 + client, setting=dict(where.setting), defense=name, client=client, **changed)
        for name in defenses
        for client in range(3)
    ]


def test_each_setting_is_compared_with_what_does_nothing_there(make_row):
    rows = [*rows_of(make_row, PLAIN, "ours", "theirs"), *rows_of(make_row, NOISY, "ours", "theirs")]
    defended = {(PLAIN, "ours"): False, (PLAIN, "theirs"): True, (NOISY, "ours"): True, (NOISY, "theirs"): False}
    references = references_of(rows, defended)
    assert references == {PLAIN: "ours", NOISY: "theirs"}
    assert {(c.group.defense, c.reference.defense) for c in comparisons_of(rows, references)} == {
        ("theirs", "ours"), ("ours", "theirs"),
    }  # fmt: skip


def test_where_every_defense_does_something_the_first_of_the_run_is_the_reference(make_row):
    rows = rows_of(make_row, PLAIN, "clip", "noise")
    assert references_of(rows, {(PLAIN, "clip"): True, (PLAIN, "noise"): True}) == {PLAIN: "clip"}


def test_what_ignores_the_update_is_not_compared(make_row):
    rows = rows_of(make_row, PLAIN, "none", "noise", algorithm="prior", attack="prior")
    assert comparisons_of(rows, {PLAIN: "none"}) == []


def test_the_variants_that_were_chosen_for_two_defenses_are_one_attack(make_row):
    none = rows_of(make_row, PLAIN, "none", attack="dlg steps=1", algorithm="dlg")
    noise = rows_of(make_row, PLAIN, "noise", attack="dlg steps=9", algorithm="dlg")
    assert comparisons_of([*none, *noise], {PLAIN: "none"}) == []
    (found,) = comparisons_of_chosen([*none, *noise], {PLAIN: "none"})
    assert (found.group.attack, found.reference.attack, found.pairs) == ("dlg steps=9", "dlg steps=1", 3)


@pytest.mark.parametrize(
    ("tasks", "noun"),
    [
        ("digits-mlp", "image"),
        ("diabetes-mlp", "row"),
        ("pydoc-gru", "window"),
        (["digits-mlp", "diabetes-mlp"], "example"),
    ],
)
def test_an_example_is_called_what_all_tasks_call_it(tasks, noun):
    assert example_of(parse_campaign({"name": "n", "task": tasks, "attacks": [{"use": "dlg"}]})) == noun
