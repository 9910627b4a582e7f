"""RAPPOR: how often a category is kept, that it is said once, and what is proved."""

import math
from typing import Any

import pytest
import torch

from fedleak.accounting.guarantee import ResponseGuarantee
from fedleak.accounting.mechanism import Situation
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.rappor import Rappor
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.randomness import generator
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings, PlanSettings
from fedleak.tasks import task_of

TASK = task_of("diabetes-mlp")
TABLE = require_table(TASK.space, "a test")
ROWS = 20_000


def rows(value: str) -> Batch:
    inputs = torch.zeros(ROWS, *TASK.shape)
    inputs[:, TABLE.places("sex")] = TABLE.row("sex", value)
    return Batch(inputs, torch.zeros(ROWS, dtype=torch.int64), TABLE)


def said(value: str, **options: Any) -> torch.Tensor:
    defense = defenses.build("rappor", {"columns": ["sex"], "epsilon": 1.5, **options})
    prepared = defense.prepare(TASK, rows(value), generator(7))
    assert torch.equal(prepared.inputs[:, ~TABLE.mask(["sex"])], rows(value).inputs[:, ~TABLE.mask(["sex"])])
    return prepared.inputs[:, TABLE.places("sex")]


@pytest.mark.parametrize("encoding", ["bits", "category"])
def test_no_answer_is_more_than_exp_epsilon_as_likely_of_another_value(encoding: str) -> None:
    """Over all answers that there are, and some answer reaches it: the epsilon that is stated is the one that holds."""
    answers = {value: said(value, encoding=encoding) for value in ("1", "2")}
    seen = torch.unique(torch.cat(list(answers.values())), dim=0)
    assert len(seen) == (4 if encoding == "bits" else 2)
    logs = [[math.log(float((own == one).all(1).double().mean())) for own in answers.values()] for one in seen]
    assert max(abs(one - other) for one, other in logs) == pytest.approx(1.5, abs=0.1)


def test_of_many_categories_all_others_are_as_likely() -> None:
    defense = Rappor(columns=("sex",), epsilon=1.0, encoding="category")
    own = 2 * torch.nn.functional.one_hot(torch.full((ROWS,), 3), 5).float() - 1
    counts = (defense._answered(own, generator(0)) > 0).double().mean(0)
    expected = torch.full((5,), 1 / (math.e + 4), dtype=torch.float64)
    expected[3] *= math.e
    torch.testing.assert_close(counts, expected, atol=0.015, rtol=0)


@pytest.mark.parametrize("encoding", ["bits", "category"])
def test_a_single_category_is_answered_for(encoding: str) -> None:
    own = torch.ones(5, 1)
    found = Rappor(columns=("sex",), epsilon=1.0, encoding=encoding)._answered(own, generator(0))  # type: ignore[arg-type]
    assert torch.equal(found.abs(), own)
    assert encoding == "bits" or torch.equal(found, own)


def test_without_an_end_to_epsilon_nothing_changes_and_nothing_is_proved() -> None:
    assert torch.equal(said("1", epsilon=math.inf), rows("1").inputs[:, TABLE.places("sex")])
    assert Rappor(columns=("sex",), epsilon=math.inf).mechanism(Situation(federation=FederationSettings())) is None


def test_epsilon_is_of_the_run_and_about_the_column_and_not_about_whole_examples() -> None:
    run = parse_settings(PlanSettings, {"task": "diabetes-mlp", "federation": {"rounds": 30}})
    chain = Chain.build(({"use": "rappor", "columns": ["sex"], "epsilon": 2.0},))
    found = chain.guarantee(run.phases, chain.task(TASK))
    assert isinstance(found, ResponseGuarantee)
    assert found.statement(1e-5) == "epsilon 2.00 (replace-one sex of an example, no sampling credit), delta 1e-5"
    assert "once" in found.sentence
    assert chain.reports_loss(run.federation)


def test_dp_sgd_after_it_proves_something_of_whole_examples() -> None:
    run = parse_settings(PlanSettings, {"task": "diabetes-mlp", "federation": {"rounds": 3}})
    tables = ({"use": "rappor", "columns": ["sex"], "epsilon": 2.0}, {"use": "dp-sgd", "noise_multiplier": 2.0})
    chain = Chain.build(tables)
    found = chain.guarantee(run.phases, chain.task(TASK))
    assert getattr(found, "relation", found) == "replace-one example"


@pytest.mark.parametrize(
    ("columns", "task", "words"),
    [
        (["bmi"], "diabetes-mlp", "column 'bmi' is a number"),
        (["sexx"], "diabetes-mlp", "no column 'sexx'; did you mean 'sex'?"),
        (["progression"], "diabetes-mlp", "'progression' is the label"),
        (["sex"], "digits-mlp", "is for rows of a table"),
    ],
)
def test_what_it_cannot_answer_for_is_refused(columns: list[str], task: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        Chain.build(({"use": "rappor", "columns": columns, "epsilon": 1.0},)).task(task_of(task))


@pytest.mark.parametrize("columns", [[], ["sex", "sex"]])
def test_columns_are_named_each_once(columns: list[str]) -> None:
    with pytest.raises(ConfigError, match="each once"):
        defenses.build("rappor", {"columns": columns, "epsilon": 1.0})
