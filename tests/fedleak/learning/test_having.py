"""Who has a property: counted by what a row says, and a sentence where no example can have it."""

import math

import pytest
import torch

from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.having import having, require_property, share_of


def test_a_category_is_had_by_the_rows_that_say_it() -> None:
    patients = load("diabetes-mlp").clients
    said = [patients.space.said(row)["sex"] == "2" for row in patients.inputs]  # type: ignore[attr-defined]
    assert having(patients, "sex=2", "here").tolist() == said
    assert share_of(patients, "sex=2", "here") == pytest.approx(sum(said) / len(said))
    assert share_of(patients, "sex=1", "here") == pytest.approx(1 - sum(said) / len(said))


def test_a_label_is_had_by_name_or_by_index() -> None:
    patients, digits = load("diabetes-mlp").clients, load("digits-mlp").clients
    assert torch.equal(having(patients, "label=above 140.5", "here"), patients.labels == 1)
    assert torch.equal(having(patients, "progression=above 140.5", "here"), patients.labels == 1)
    assert torch.equal(having(digits, "label=3", "here"), digits.labels == 3)


def test_a_share_of_some_that_are_of_other_classes_is_none_and_of_nobody_unknown() -> None:
    digits = load("digits-mlp").clients
    few = digits[(digits.labels < 3).nonzero()[:, 0]]
    assert share_of(few, "label=9", "here") == 0.0
    assert math.isnan(share_of(few[torch.zeros(0, dtype=torch.int64)], "label=9", "here"))


@pytest.mark.parametrize(
    ("task", "property", "sentence"),
    [
        ("diabetes-mlp", "sez=2", "here: the table has no column 'sez'; did you mean 'sex'"),
        ("diabetes-mlp", "sex=3", "here: column 'sex' has no category '3'"),
        ("diabetes-mlp", "age=50", "here: column 'age' is a number and has no categories"),
        ("diabetes-mlp", "label=ill", "here: no label is called 'ill'"),
        ("digits-mlp", "label=10", "here: no label is called '10'"),
        ("digits-mlp", "sex=2", "here: 'sex', a column, is for rows of a table"),
    ],
)
def test_what_no_example_can_have_is_one_sentence(task: str, property: str, sentence: str) -> None:
    examples = load(task).clients
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        require_property(examples.space, property, int(examples.labels.max()) + 1, "here")


def test_of_sets_of_labels_none_is_the_label() -> None:
    several = Batch(torch.rand(3, 1, 2, 2), torch.ones(3, 4))
    with pytest.raises(ConfigError, match="expected examples of one label each"):
        having(several, "label=1", "here")
