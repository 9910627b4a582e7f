"""Rows of one figure differ in seed, round and client only."""

import pytest

from fedleak.results.schema import AGGREGATE
from fedleak.statistics.group import group_rows


def test_messages_of_all_seeds_rounds_and_clients_are_one_group(make_row):
    rows = [make_row(1.0, seed=seed, round=round, client=c) for seed in (0, 1) for round in (1, 2) for c in (0, 1)]
    ((group, own),) = group_rows(rows).items()
    assert own == rows
    assert (group.task, group.attack, group.defense, group.sender) == ("digits-mlp", "dlg", "none", "client")


@pytest.mark.parametrize(
    "change",
    [
        {"task": "digits-lenet"}, {"setting": {"federation.batch_size": 2}}, {"defense": "noisy"},
        {"attack": "idlg"}, {"client": AGGREGATE}, {"metric": "ssim"},
    ],
)  # fmt: skip
def test_everything_else_makes_another_group(make_row, change):
    groups = list(group_rows([make_row(1.0), make_row(1.0, **change), make_row(1.0)]))
    assert len(groups) == 2
    assert groups[0].sender == "client"


def test_groups_come_in_the_order_of_their_first_rows(make_row):
    rows = [make_row(1.0, defense=name) for name in ("z", "a", "z", "m")]
    assert [group.defense for group in group_rows(rows)] == ["z", "a", "m"]


def test_the_order_of_a_setting_s_keys_says_nothing(make_row):
    rows = [make_row(1.0, setting={"a": 1, "b": 2}), make_row(1.0, setting={"b": 2, "a": 1})]
    (group,) = group_rows(rows)
    assert group.setting == (("a", 1), ("b", 2))


def test_a_variant_is_the_same_for_every_metric(make_row):
    groups = group_rows([make_row(1.0), make_row(1.0, metric="ssim")])
    assert len({group.variant for group in groups}) == 1
