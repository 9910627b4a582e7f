"""Columns that are hidden of rows are such as a table has, and somebody guesses at them; one sentence each."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.learning.space import require_table
from fedleak.tasks import task_of

TABULAR = {"name": "n", "task": "diabetes-mlp", "defenses": [{"name": "none"}]}


def test_hidden_columns_are_those_that_a_table_has() -> None:
    asked = {**TABULAR, "attacks": [{"use": "lomia"}], "adversary": {"queries": 5, "hidden": ["sex"]}}
    assert parse_experiment(asked).metrics[:3] == ("column-accuracy", "column-auc", "ppv-100")


@pytest.mark.parametrize(
    ("hidden", "errors", "shares"), [(["sex"], False, True), (["age"], True, False), (["age", "sex"], True, True)]
)
def test_numbers_are_judged_by_their_error_and_categories_by_shares(hidden: Any, errors: bool, shares: bool) -> None:
    found = parse_experiment({**TABULAR, "attacks": [{"use": "lomia"}], "adversary": {"queries": 5, "hidden": hidden}})
    named = found.metrics
    assert ("column-error" in named, "column-error-of-others" in named) == (errors, errors)
    assert ("column-auc" in named, "ppv-100-of-others" in named) == (shares, shares)


@pytest.mark.parametrize(
    ("attack", "hidden", "sentence"),
    [
        ("lomia", ["sez"], "adversary.hidden: the table has no column 'sez'; did you mean 'sex'"),
        ("lomia", ["sex", "sex"], "adversary.hidden: expected each column once, got ['sex', 'sex']"),
        ("lomia", [], "attacks.0: lomia guesses hidden columns, and none is hidden; set adversary.hidden"),
        ("served-gap", ["sex"], "adversary.hidden: sex, and no attack here guesses hidden columns; add one such as"),
    ],
)
def test_a_column_that_nobody_can_guess_is_refused(attack: str, hidden: list[str], sentence: str) -> None:
    tree = {**TABULAR, "attacks": [{"use": attack}], "adversary": {"queries": 5, "hidden": hidden}}
    with pytest.raises(ConfigError) as refused:
        parse_experiment(tree)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_label_is_no_hidden_column() -> None:
    label = require_table(task_of("diabetes-mlp").space, "a test").label
    tree = {**TABULAR, "attacks": [{"use": "lomia"}], "adversary": {"queries": 5, "hidden": [label]}}
    with pytest.raises(ConfigError, match=rf"adversary\.hidden: '{label}' is the label"):
        parse_experiment(tree)


def test_images_have_no_columns() -> None:
    tree = {
        **TABULAR,
        "task": "digits-mlp",
        "attacks": [{"use": "lomia"}],
        "adversary": {"queries": 5, "hidden": ["a"]},
    }
    with pytest.raises(ConfigError, match=r"adversary\.hidden is for rows of a table"):
        parse_experiment(tree)
