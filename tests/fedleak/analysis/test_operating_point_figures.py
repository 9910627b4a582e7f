"""Accuracy and costs are means over seeds."""

import math

from fedleak.analysis.operating_point import accuracy_of, cost_of, trivial_of
from fedleak.results.federation_row import FederationRow


def federation(defense="none", accuracy=0.8, **changed) -> FederationRow:
    fields = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "seed": 0, "round": 1,
              "messages": 2, "failures": 0, "loss": 1.0, "seconds": 1.0}  # fmt: skip
    return FederationRow(**{**fields, "defense": defense, "accuracy": accuracy, **changed})


def test_the_last_round_of_each_seed_counts():
    rows = [federation(accuracy=0.1), federation(accuracy=0.7, round=2), federation(accuracy=0.9, seed=1),
            federation(accuracy=math.nan, round=3)]  # fmt: skip
    assert accuracy_of(rows).mean == (0.7 + 0.9) / 2


def test_no_accuracy_is_no_figure():
    assert math.isnan(accuracy_of([federation(accuracy=math.nan)]).mean)


def test_the_interval_of_an_accuracy_ends_at_none_and_all():
    interval = accuracy_of([federation(accuracy=value, seed=seed) for seed, value in enumerate((0.1, 0.9))]).interval
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_only_recorded_rounds_have_a_cost():
    rows = [federation(bytes_sent=10.0), federation(bytes_sent=30.0, round=2),
            federation(bytes_sent=999.0, round=3, recorded=False)]  # fmt: skip
    assert cost_of(rows, lambda row: row.bytes_sent).mean == 20.0


def test_where_training_settled_the_mean_of_the_plateau_counts():
    rows = [federation(accuracy=0.1), federation(accuracy=0.5, round=2), federation(accuracy=0.7, round=3, settled=2)]
    assert accuracy_of(rows).mean == 0.6
    assert accuracy_of([*rows[:2], federation(accuracy=0.7, round=3)]).mean == 0.7


def test_a_trivial_classifier_stands_beside_it():
    assert trivial_of([federation(trivial=0.2), federation(trivial=0.3, seed=1)]).mean == 0.25
