"""Attribute inference: what holds for every attack that guesses hidden columns."""

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.served import Served
from fedleak.goals.goals import GOALS
from fedleak.goals.imputer import frequencies
from fedleak.learning.batch import Batch
from fedleak.metrics.column_auc import ColumnAUC
from fedleak.randomness import generator

OURS = [cls for cls in attacks if cls.__module__.startswith("fedleak.attacks.attributes.")]
NAMES = sorted(cls.name for cls in OURS)
EXPLAINED, SOLVING, RESTRICTING = "shapley-inversion", "equality-solving", "path-restriction"
TOLD = (EXPLAINED, SOLVING, RESTRICTING)
"""What goes by what others were told: tests of their own say how."""
ASKING = sorted(cls.name for cls in OURS if cls.declared is Served and cls.name not in TOLD)
MODEL_ALONE = [name for name in ASKING if name != "imputer-and-model"]
SEX = ("sex",)


def guess(view, name: str) -> torch.Tensor:
    made = attacks.build(name, {}).run(view, generator(0))
    assert made.columns is not None, made.failure
    return made.columns


def auc(made: torch.Tensor, rows: Batch, part: slice) -> float:
    true = rows.inputs[:, rows.space.mask(SEX)]
    return float(ColumnAUC().per_row(made[part], true[part]).mean())


MEMBERS, OTHERS = slice(0, 60), slice(60, 120)


def blind(inputs: torch.Tensor) -> torch.Tensor:
    return torch.full_like(inputs, torch.nan)


def test_there_are_such_attacks() -> None:
    assert NAMES == [
        "attribute-neurons",
        "csmia",
        SOLVING,
        "fredrikson-tabular",
        "imputer-and-model",
        "lomia",
        RESTRICTING,
        EXPLAINED,
        "yeom-attribute",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_with_the_channel_cut_it_says_what_who_has_no_access_says(name: str, hiding) -> None:
    asked, _ = hiding
    for view in (asked(answer=blind), asked(queries=0)):
        goal = GOALS["columns"]
        without = goal.no_access(view, generator(0)) if name == "imputer-and-model" else goal.prior(view, generator(0))
        assert torch.allclose(guess(view, name), without, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_ALONE)
def test_answers_to_other_questions_tell_nothing(name: str, hiding) -> None:
    asked, rows = hiding
    found = []
    for seed in range(20):

        def shuffled(said: torch.Tensor, seed: int = seed) -> torch.Tensor:
            return said[torch.randperm(len(said), generator=generator("shuffled", seed))]

        found.append(auc(guess(asked(answer=shuffled), name), rows, MEMBERS))
    assert sum(found) / 20 == pytest.approx(0.5, abs=0.06)


def test_a_model_that_knows_its_rows_by_heart_adds_to_what_an_imputer_says_of_them(hiding) -> None:
    asked, rows = hiding
    alone = GOALS["columns"].no_access(asked(), generator(0))
    both = guess(asked(), "imputer-and-model")
    assert auc(both, rows, MEMBERS) > auc(alone, rows, MEMBERS) + 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_no_attack_looks_at_what_is_hidden(name: str, hiding) -> None:
    view = hiding[0]()
    guess(view, name)
    for asked in view.service.log:
        pairs = asked.reshape(-1, 2, asked.shape[1])[:, :, view.rows.space.mask(SEX)]
        assert torch.equal(pairs, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).expand(len(pairs), 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_rows_beyond_the_budget_are_guessed_without_the_model(name: str, hiding) -> None:
    asked, _ = hiding
    few = guess(asked(queries=41), name)
    silent = guess(asked(queries=0), name)
    if name != "lomia":  # there a classifier that learnt from plain rows guesses them
        assert torch.allclose(few[20:], silent[20:], atol=1e-5)
    assert not torch.allclose(few[:20], silent[:20])


def test_labels_alone_are_all_that_lomia_needs(hiding) -> None:
    def label(said: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(said.argmax(1), said.shape[1]).to(said)

    assert torch.equal(guess(hiding[0](answer=label), "lomia"), guess(hiding[0](), "lomia"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in TOLD])
def test_a_number_is_refused_in_a_sentence(name: str, hiding) -> None:
    asked, rows = hiding
    view = asked(rows=rows, hidden=("age",), view=attacks.get(name).declared)
    made = attacks.build(name, {}).run(view, generator(0))
    assert made.failure == "column 'age' is a number, and it tries each value that a category has"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_without_hidden_columns_it_says_so(name: str, hiding) -> None:
    view = hiding[0](rows=None, hidden=(), view=attacks.get(name).declared)
    made: Reconstruction = attacks.build(name, {}).run(view, generator(0))
    assert "say by adversary.hidden which" in (made.failure or "")


def test_fredrikson_multiplies_how_sure_the_model_is_by_how_frequent_a_value_is(hiding) -> None:
    asked, rows = hiding

    def even(said: torch.Tensor) -> torch.Tensor:
        """Twice as sure of either label with the first value."""
        return torch.tensor([[0.4, 0.4], [0.2, 0.2]], dtype=said.dtype).repeat(len(said) // 2, 1)

    view = asked(answer=even)
    share = (frequencies(view.auxiliary, rows.space, SEX) + 1) / 2
    expected = 2 * share[0] / (2 * share[0] + share[1])
    assert torch.allclose((guess(view, "fredrikson-tabular")[:, 0] + 1) / 2, expected, atol=1e-4)
