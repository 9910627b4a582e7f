"""Figures against thresholds: which alarm is raised, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch

from fedleak.contracts.received import Received
from fedleak.defenses.parts.model_check import UNBOUNDED, Finding, ModelCheck, greatest, matrices
from fedleak.learning.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Fixed(ModelCheck):
    name = "fixed"
    figures: tuple[tuple[str, float], ...] = (("low", 0.0), ("high", 9.0))

    def findings(self, received: Received) -> Mapping[str, Finding]:
        return {name: Finding(value=value, words=f"{name} it is") for name, value in self.figures}

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {"absent": 0.0, "low": 1.0, "high": 1.0}


def test_the_first_figure_above_its_threshold_is_told(honest: Received) -> None:
    alarm = Fixed().inspect(honest)
    assert alarm is not None
    assert (alarm.defense, alarm.statistic, alarm.value, alarm.threshold) == ("fixed", "high", 9.0, 1.0)
    assert alarm.words == "high it is"
    assert Fixed(figures=(("low", 1.0), ("high", 1.0))).inspect(honest) is None, "at the threshold is not above it"
    assert Fixed().statistics(honest) == {"low": 0.0, "high": 9.0}


@pytest.mark.parametrize(("on_alarm", "refuses"), [("refuse", True), ("report", False)])
def test_it_refuses_where_it_is_asked_to(on_alarm: str, refuses: bool, honest: Received) -> None:
    alarm = Fixed(on_alarm=on_alarm).inspect(honest)  # type: ignore[arg-type]  one of the two words
    assert alarm is not None
    assert alarm.refuses is refuses
    assert Fixed.acts_on == {"received"}


def test_the_greatest_layer_is_named_and_no_figure_is_infinite() -> None:
    found = greatest({"one": 1.0, "two": float("inf")}, "'{}' stands out")
    assert found == Finding(value=UNBOUNDED, words="'two' stands out")


def test_matrices_are_all_but_vectors_and_counters() -> None:
    weights = Weights({"kernel": torch.ones(2, 3, 3), "bias": torch.ones(2)}, {"frozen": torch.ones(4, 4)})
    assert {name: tuple(rows.shape) for name, rows in matrices(weights).items()} == {"kernel": (2, 9), "frozen": (4, 4)}
