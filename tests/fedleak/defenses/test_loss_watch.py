"""Loss watch: the loss in units of guessing, and a model that does worse than the one before."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.received import Received
from fedleak.defenses.loss_watch import LossWatch
from fedleak.errors import ConfigError
from fedleak.learning.training import train_locally
from fedleak.settings.federation import FederationSettings

Craft = Callable[..., Received]
WATCH = LossWatch()


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_model_raises_nothing(seed: int, make_received: Craft) -> None:
    received = make_received("digits-mlp", 16, seed)
    assert WATCH.inspect(received) is None
    assert set(WATCH.statistics(received)) == {"level", "jump"}
    assert set(WATCH.statistics(replace(received, earlier=None))) == {"level"}


def test_a_model_that_guesses_has_one(honest: Received, craft: Craft) -> None:
    guessing = craft(honest, {"3.weight": torch.zeros_like, "3.bias": torch.zeros_like})
    assert WATCH.statistics(guessing)["level"] == pytest.approx(1.0)


def test_a_model_that_is_sure_of_what_is_wrong_is_seen(honest: Received, craft: Craft) -> None:
    """All classes but one far out of reach, as one who fishes for a class has it."""
    fishing = craft(honest, {"3.weight": torch.zeros_like, "3.bias": lambda bias: torch.eye(len(bias))[0] * 100})
    alarm = WATCH.inspect(fishing)
    assert alarm is not None
    assert alarm.statistic == "level"


def test_a_jump_is_told_where_the_level_is_not(honest: Received, craft: Craft) -> None:
    """Guessing is no alarm by itself, but it is after a model that had learnt the examples."""
    learnt = honest.weights
    for step in range(200):
        learnt = train_locally(honest.task, learnt, honest.examples, honest.training, (step,))
    level = math.log(10)
    wrong = craft(honest, {"3.weight": torch.zeros_like, "3.bias": lambda bias: torch.eye(len(bias))[0] * level * 2})
    alarm = WATCH.inspect(replace(wrong, earlier=learnt))
    assert alarm is not None
    assert alarm.statistic == "jump"


def test_a_loss_that_is_no_number_is_left_to_training(honest: Received, craft: Craft) -> None:
    assert WATCH.inspect(craft(honest, {"3.bias": lambda bias: bias * torch.nan})) is None


def test_a_run_of_one_round_has_no_jump() -> None:
    one = FederationSettings(rounds=1)
    assert WATCH.planned((one,)).looks_at == ("level",)
    assert "goes by level, and not by the change" in WATCH.planned((one,)).outline
    assert WATCH.planned((one, one)) == WATCH
    with pytest.raises(ConfigError, match="this run has one round and so no earlier model"):
        Chain((LossWatch(looks_at=("jump",)),)).planned((one,))


@pytest.mark.parametrize("options", [{"level": 0.5}, {"jump": -1.0}, {"looks_at": []}, {"looks_at": ["loss"]}])
def test_thresholds_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))}: expected"):
        Chain.build(({"use": "loss-watch", **options},))
