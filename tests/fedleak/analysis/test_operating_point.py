"""Whether a defense's leak and its accuracy are of one setting."""

import pytest

from fedleak.analysis.operating_point import OperatingPoint, plateaus
from fedleak.contracts.chain import Chain
from fedleak.experiment.experiment import parse_experiment
from fedleak.results.federation_row import FederationRow


def row(round: int, **changed) -> FederationRow:
    fields = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "defense": "none", "seed": 0,
              "messages": 1, "failures": 0, "accuracy": 0.5, "loss": 1.0, "seconds": 1.0}  # fmt: skip
    return FederationRow(**{**fields, "round": round, "recorded": round == 1, **changed})


def measured(rows, *chain, **changed) -> OperatingPoint:
    tree = {"name": "x", "task": "digits-mlp", "federation": {"clients": 2}, "utility": {"rounds": 9}, **changed}
    return OperatingPoint.of(parse_experiment(tree), Chain.build(tuple(chain)), rows)


def test_the_same_training_to_the_end_is_one_operating_point():
    found = measured([row(1), row(4), row(7, settled=2)])
    assert found.one
    assert found.sentence == "attacked in round 1 (fresh weights); accuracy after round 7, where it no longer rose"


def test_where_clients_train_otherwise_both_settings_are_said():
    found = measured([row(1), row(10)], utility={"rounds": 9, "batch_size": 16, "batches": 8, "momentum": 0.9})
    assert not found.one
    assert found.differs == "leak: 1 step of 1 example, momentum 0; accuracy: 8 steps of 16 examples, momentum 0.9"
    assert found.sentence.startswith("two settings: leak: ")


def test_what_says_the_same_again_is_no_difference():
    assert measured([row(1), row(10)], utility={"rounds": 9, "batch_size": 1, "learning_rate": 0.1}).one


def test_what_a_defense_makes_of_both_counts():
    steps = {"use": "more-local-steps", "times": 4}
    changed = {"rounds": 9, "batches": 2}
    words = measured([row(1), row(10)], steps, utility=changed).differs
    assert words == "leak: 4 steps of 1 example; accuracy: 8 steps of 1 example"


@pytest.mark.parametrize(
    ("model", "attacked", "one"),
    [
        ({}, "round 1 (fresh weights)", True),
        ({"checkpoint": "weights.pt"}, "round 1 (weights from a checkpoint)", True),
        ({"trained_rounds": 5}, "round 1 (after 5 rounds that nobody attacks)", False),
    ],
)
def test_the_state_of_the_attacked_model_is_said_and_training_without_the_defense_is_another_setting(
    model, attacked, one
):
    found = measured([row(1), row(10)], model=model)
    assert (found.attacked, found.one) == (attacked, one)


def test_of_each_seed_the_plateau_counts_or_else_the_last_evaluated_round():
    rows = [row(1), row(2), row(3), row(4, settled=2), row(5, accuracy=float("nan")), row(9, seed=1), row(10, seed=1)]
    assert [[one.round for one in own] for own in plateaus(rows).values()] == [[3, 4], [10]]
    assert measured(rows).evaluated == "rounds 4 to 10, where it may still rise in 1 of 2 seeds"


def test_without_an_accuracy_there_is_nothing_to_pair():
    found = measured([row(1, accuracy=float("nan"))], utility={"rounds": 9, "batch_size": 16})
    assert found.one
    assert found.sentence == "attacked in round 1 (fresh weights)"
