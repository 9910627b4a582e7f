"""Which shares were told apart, in words."""

from typing import Any

from fedleak.analysis.conditions import shares_sentence, told_apart
from fedleak.experiment.experiment import Experiment, parse_experiment


def experiment(**adversary: Any) -> Experiment:
    attack = {"use": "deep-sets"} if adversary else {"use": "loss-threshold"}
    tree = {"name": "n", "task": "diabetes-mlp", "federation": {"release": "last"}, "attacks": [attack]}
    return parse_experiment({**tree, "adversary": adversary})


def test_each_question_is_told_once() -> None:
    one, two = experiment(property="sex=2", shares=[0.3, 0.6]), experiment(property="sex=1", shares=[0, 0.5, 1])
    assert told_apart([one, one]) == "0.3 from 0.6 of “sex=2”"
    assert told_apart([one, two]) == "0.3 from 0.6 of “sex=2” and 0, 0.5 from 1 of “sex=1”"
    assert "0.3 from 0.6 of “sex=2”" in shares_sentence(told_apart([one]))


def test_where_nobody_asks_nothing_is_said() -> None:
    assert told_apart([experiment()]) == shares_sentence("") == ""
