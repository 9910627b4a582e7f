"""Own columns: what they say of labels by what is known alone, by whichever classifier, and once for all draws."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.functional import one_hot

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut
from fedleak.goals import own_columns
from fedleak.goals.own_columns import labels_by_own_columns
from fedleak.learning.batch import Batch
from fedleak.learning.mixmatch import MixMatch
from fedleak.learning.task import Task
from fedleak.randomness import generator
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened

ROWS, KNOWN = 120, 40


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """MixMatch of fewer steps."""
    monkeypatch.setattr(own_columns, "MixMatch", partial(MixMatch, steps=40, learning_rate=0.02))


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return torch.arange(ROWS) % 10


@pytest.fixture(scope="module")
def cut(truth) -> Cut:
    """A passive party's view of rows whose class is as bright as a column of theirs, and a little more."""
    task: Task = hardened(TaskSettings.model_validate("digits-mlp"), Chain(), Split(parties=2))
    own = 0.3 * torch.rand(ROWS, 1, 8, 4, generator=generator("own"))
    own[torch.arange(ROWS), 0, truth % 8, truth // 8] += 1.0
    inputs = torch.full((ROWS - KNOWN, 1, 8, 8), torch.nan)
    inputs[..., 4:] = own[KNOWN:]
    return Cut(
        task=task,
        rows=Batch(inputs, torch.full((ROWS - KNOWN,), -1)),
        seat="passive",
        party=1,
        asks="labels",
        asked=torch.arange(KNOWN, ROWS),
        exchanges=(),
        own=own,
        known=torch.arange(KNOWN),
        known_labels=truth[:KNOWN],
    )


def accuracy(cut: Cut, truth: torch.Tensor) -> float:
    said = labels_by_own_columns(cut)
    assert said is not None
    return (said.argmax(1) == truth[cut.asked]).double().mean().item()


@pytest.mark.slow
def test_columns_that_say_the_label_are_read(cut, truth):
    assert accuracy(cut, truth) >= 0.9


def test_all_draws_are_one_answer(cut, truth, monkeypatch):
    first = labels_by_own_columns(cut)
    monkeypatch.setattr(own_columns, "_by_margin", lambda *_: pytest.fail("it was asked before"))
    again = labels_by_own_columns(cut)
    assert first is not None
    assert again is not None
    assert torch.equal(first, again)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_by_margin", "_by_neighbors", "_by_mixmatch"])
def test_each_classifier_is_taken_where_it_is_best(cut, truth, monkeypatch, name):
    for other in {"_by_margin", "_by_neighbors", "_by_mixmatch"} - {name}:
        monkeypatch.setattr(own_columns, other, always_the_first)
    assert accuracy(replace(cut), truth) >= 0.85


def always_the_first(*asked: Any) -> torch.Tensor:
    """The class of index 0 for all."""
    *_, others, classes = asked
    return one_hot(torch.zeros(len(others), dtype=torch.long), classes).float()


def test_who_knows_nothing_says_what_is_frequent(cut):
    nothing = replace(cut, known=None, known_labels=None)
    said = labels_by_own_columns(nothing)
    assert said is not None
    assert torch.allclose(said, torch.full_like(said, -0.8))


@pytest.mark.parametrize("name", ["_by_margin", "_by_neighbors"])
def test_a_class_of_one_row_does_not_end_the_choice(cut, truth, monkeypatch, name):
    """With 15 labels of ten classes half of these have one row: whichever rule is better by the others is taken."""
    few = replace(cut, known=torch.arange(15), known_labels=truth[:15])
    for other in {"_by_margin", "_by_neighbors", "_by_mixmatch"} - {name}:
        monkeypatch.setattr(own_columns, other, always_the_first)
    assert accuracy(few, truth) > 0.5
