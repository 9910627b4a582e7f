"""The course of the accuracy, and what a round costs."""

import math

from fedleak.report.learning import course, learning, rounds_lost
from fedleak.results.federation_row import FederationRow


def row(round=1, accuracy=0.5, **changed) -> FederationRow:
    fields = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "defense": "none", "seed": 0,
              "messages": 2, "failures": 0, "loss": 1.0, "seconds": 1.0}  # fmt: skip
    return FederationRow(**{**fields, "round": round, "accuracy": accuracy, **changed})


def test_a_course_is_the_mean_over_seeds_of_each_round():
    rows = [row(2, 0.6), row(1, 0.2), row(1, 0.4, seed=1), row(2, math.nan, seed=1)]
    assert [(r, round(a, 6)) for r, a in course(rows)] == [(1.0, 0.3), (2.0, 0.6)]


def test_every_defense_has_a_line_and_a_price():
    rows = [row(r, 0.1 * r, defense=name, bytes_sent=2e6, bytes_encoded=38_440.0, client_seconds=0.02)
            for name in ("none", "noisy") for r in (1, 2, 3)]  # fmt: skip
    (one,) = learning([*rows, row(4, 0.9, split="tuning")])
    assert one.chart is not None
    assert list(one.chart.points) == ["none", "noisy"]
    price = one.prices[0]
    assert (price.accuracy, price.sent, price.encoded, price.seconds) == ("30%", "2.00 MB", "38.4 kB", "20.0 ms")
    assert price.received == "–"  # noqa: RUF001


def test_a_single_round_is_no_course_and_conditions_are_apart():
    first, second = learning([row(), row(setting={"federation.batch_size": 4})])
    assert first.chart is None
    assert second.where == "digits-mlp, batch_size=4"


def test_the_accuracy_of_a_seed_whose_last_evaluation_failed_counts_too():
    (one,) = learning([row(1, 0.2), row(2, 0.6), row(1, 0.4, seed=1), row(2, math.nan, seed=1)])
    assert one.prices[0].accuracy == "50%"


def test_rounds_that_were_lost_are_told_as_their_models_learnt_nothing_in_them():
    summed = [row(round, defense="summed", seed=seed, lost=round == 2) for round in (1, 2) for seed in (0, 1)]
    later = [row(3, defense="summed", lost=True, recorded=False), row(1, defense="none")]
    (said,) = rounds_lost([*summed, *summed, *later])
    assert said.startswith("Under summed 2 of 4 rounds came to no end, and the model learnt little or nothing in them")
