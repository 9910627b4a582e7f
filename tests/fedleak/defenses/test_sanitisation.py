"""Sanitization: what is left of rows, and that no combination is rarer than k."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.learning.table import Column, Table
from fedleak.randomness import generator
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import task_of

TASK = task_of("diabetes-mlp")
TABLE = require_table(TASK.space, "a test")
CLIENTS = load("diabetes-mlp").clients


def prepared(share: Batch = CLIENTS, **options: Any) -> Batch:
    return defenses.build("sanitisation", options).prepare(TASK, share, generator(0))


def test_a_suppressed_number_is_the_public_median_and_a_category_says_nothing() -> None:
    after = prepared(suppress=["bmi", "sex"])
    said = after.space.said(after.inputs[0])  # type: ignore[attr-defined]
    assert float(said["bmi"]) == pytest.approx(TABLE.column("bmi").median, abs=0.01)
    assert (after.inputs[:, TABLE.places("sex")] == -1).all()
    others = ~TABLE.mask(["bmi", "sex"])
    assert torch.equal(after.inputs[:, others], CLIENTS.inputs[:, others])
    assert torch.equal(after.labels, CLIENTS.labels)


def test_coarse_numbers_are_in_the_middle_of_their_bin() -> None:
    before, after = (one.inputs[:, TABLE.places("age")] for one in (CLIENTS, prepared(coarse=["age"], bins=5)))
    assert len(after.unique()) == 5
    assert (after - before).abs().max() <= 1 / 5 + 1e-6


@pytest.mark.parametrize("k", [2, 5, 20, 100])
def test_no_combination_is_rarer_than_k(k: int) -> None:
    share = CLIENTS[torch.arange(120)]
    after = prepared(share, coarse=["age", "bmi"], bins=6, among=["age", "sex", "bmi"], k=k)
    own = after.inputs[:, TABLE.mask(["age", "sex", "bmi"])]
    assert min(Counter(tuple(row.tolist()) for row in own).values()) >= k
    rest = ~TABLE.mask(["age", "sex", "bmi"])
    assert torch.equal(after.inputs[:, rest], share.inputs[:, rest])


def test_rows_that_k_others_resemble_are_left_alone() -> None:
    before, after = (prepared(coarse=["age"], bins=3, **more) for more in ({}, {"among": ["age", "sex"], "k": 2}))
    counts = Counter(tuple(row.tolist()) for row in before.inputs[:, TABLE.mask(["age", "sex"])])
    if min(counts.values()) >= 2:
        assert torch.equal(before.inputs, after.inputs)


def test_merged_categories_are_said_to_be_the_first() -> None:
    table = Table(columns=(Column("job", values=("?", "a", "b", "c")), Column("x")), classes=("0", "1"))
    rows = torch.stack([torch.cat([table.row("job", value), torch.zeros(1)]) for value in ("a", "b", "c", "?")])
    share = Batch(rows, torch.zeros(4, dtype=torch.int64), table)
    task = replace(TASK, given=table)
    defense = defenses.build("sanitisation", {"merge": ["job=b", "job=c"]})
    after = defense.prepare(task, share, generator(0))
    assert [table.said(row)["job"] for row in after.inputs] == ["a", "b", "b", "?"]
    gone = defenses.build("sanitisation", {"suppress": ["job"]}).prepare(task, share, generator(0))
    assert [table.said(row)["job"] for row in gone.inputs] == ["?"] * 4


def test_nothing_is_proved_and_k_voids_what_is_proved_of_single_examples() -> None:
    run = parse_settings(PlanSettings, {"task": "diabetes-mlp"})
    steps = {"use": "dp-sgd", "noise_multiplier": 2.0}
    words = []
    for options in ({"suppress": ["sex"]}, {"among": ["sex"], "k": 3}):
        chain = Chain.build(({"use": "sanitisation", **options}, steps))
        words.append(str(chain.guarantee(run.phases, chain.task(TASK))))
    assert "replace-one" in words[0] or "Guarantee" in words[0]
    assert "'sanitisation' changes the examples first" in words[1]


@pytest.mark.parametrize(
    ("options", "task", "words"),
    [
        ({}, "diabetes-mlp", "takes nothing away"),
        ({"suppress": ["sexx"]}, "diabetes-mlp", "no column 'sexx'"),
        ({"coarse": ["sex"]}, "diabetes-mlp", "column 'sex' is a category"),
        ({"merge": ["sex"]}, "diabetes-mlp", "expected a category such as"),
        ({"merge": ["sex=3"]}, "diabetes-mlp", "no category '3'"),
        ({"suppress": ["progression"]}, "diabetes-mlp", "is the label"),
        ({"suppress": ["sex"]}, "digits-mlp", "is for rows of a table"),
    ],
)
def test_what_there_is_not_is_refused(options: dict[str, Any], task: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Chain.build(({"use": "sanitisation", **options},)).task(task_of(task))


@pytest.mark.parametrize("options", [{"k": 3}, {"among": ["sex"]}, {"k": 3, "suppress": ["sex"]}])
def test_options_that_go_together_are_given_together(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        defenses.build("sanitisation", options)


def test_a_k_beyond_the_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="wants k = 61 rows of each kind at each client, and one has 60"):
        defenses.build("sanitisation", {"among": ["sex"], "k": 61}).require_examples(60)
