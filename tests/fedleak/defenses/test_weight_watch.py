"""Weight watch: honest rounds raise nothing, and each kind of crafted weights is seen by the figure that ought to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.chain import Chain
from fedleak.contracts.received import Received
from fedleak.defenses.weight_watch import MOST_ROWS, WeightWatch, alike
from fedleak.errors import ConfigError
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings

Craft = Callable[..., Received]
WATCH = WeightWatch()
FIRST, BIAS = "1.weight", "1.bias"


def alarm_of(received: Received, *figures: Any) -> str | None:
    alarm = replace(WATCH, looks_at=figures or WATCH.looks_at).inspect(received)
    return None if alarm is None else alarm.statistic


@pytest.mark.parametrize("examples", [1, 8, 64])
@pytest.mark.parametrize("seed", range(3))
def test_an_honest_model_raises_nothing(examples: int, seed: int, make_received: Craft) -> None:
    received = make_received("digits-mlp", examples, seed)
    assert WATCH.inspect(received) is None
    assert set(WATCH.statistics(received)) == set(WATCH.looks_at) - ({"alone"} if examples < 8 else set())


def test_rows_that_are_all_one_are_alike(honest: Received, craft: Craft) -> None:
    made = craft(honest, {FIRST: lambda rows: rows[:1].expand_as(rows)})
    assert WATCH.statistics(made)["alike"] == 1.0
    assert alarm_of(made, "alike") == "alike"
    assert alarm_of(made) == "change"
    assert alarm_of(replace(made, earlier=None)) == "alike", "in the first round too"


def test_a_layer_that_lets_nothing_through_is_dead(honest: Received, craft: Craft) -> None:
    made = craft(honest, {FIRST: torch.zeros_like, BIAS: lambda bias: torch.full_like(bias, -1.0)})
    assert WATCH.statistics(made)["dead"] == 1.0
    assert alarm_of(made, "dead") == "dead"
    assert alarm_of(made, "scale") == "scale"


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_weights_of_another_size_are_seen(factor: float, honest: Received, craft: Craft) -> None:
    made = craft(honest, {FIRST: lambda rows: rows * factor})
    assert WATCH.statistics(made)["scale"] == pytest.approx(6.64, abs=0.1)
    assert alarm_of(made, "scale") == "scale"


def test_units_of_one_example_each_are_seen(honest: Received, craft: Craft) -> None:
    """Rows that point at one example each and are off for all others."""
    images = honest.examples.inputs.flatten(1)
    centred = images - images.mean(1, keepdim=True)
    rows = torch.nn.functional.normalize(centred, dim=1)
    likest = (rows @ images.T).fill_diagonal_(-torch.inf).amax(1)
    own = torch.arange(len(honest.weights.parameters[BIAS])) % len(images)
    made = craft(honest, {FIRST: lambda _: rows[own], BIAS: lambda _: -likest[own]})
    assert WATCH.statistics(made)["alone"] > 0.5
    assert alarm_of(made, "alone") == "alone"


def test_a_change_is_told_by_the_norm_before(honest: Received, craft: Craft) -> None:
    made = craft(replace(honest, weights=honest.earlier), {FIRST: lambda rows: 3.0 * rows})
    assert WATCH.statistics(made)["change"] == pytest.approx(2.0)


def test_a_matrix_that_was_zero_and_stays_so_has_not_changed(honest: Received, craft: Craft) -> None:
    zero = craft(honest, {FIRST: torch.zeros_like})
    assert WATCH.statistics(replace(zero, earlier=zero.weights))["change"] == 0.0
    assert WATCH.statistics(replace(honest, earlier=zero.weights))["change"] == 1e6


@given(rows=st.integers(2, 12), columns=st.integers(4, 8), copies=st.integers(0, 12), seed=st.integers(0, 99))
def test_alike_is_what_counting_pairs_finds(rows: int, columns: int, copies: int, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=generator(seed), dtype=torch.float64)
    matrix[:copies] = matrix[0] * (1.0 if seed % 2 else 0.0)
    pairs = [(i, j) for i in range(rows) for j in range(rows) if i != j]

    def parallel(one: torch.Tensor, other: torch.Tensor) -> bool:
        norms = float(one.norm()), float(other.norm())
        return norms == (0.0, 0.0) or (min(norms) > 0 and float(one @ other) / (norms[0] * norms[1]) > 0.99)

    assert alike(matrix) == pytest.approx(sum(parallel(matrix[i], matrix[j]) for i, j in pairs) / len(pairs))


def test_many_rows_are_sampled_and_single_ones_or_short_ones_left_out() -> None:
    assert alike(torch.ones(3 * MOST_ROWS, 8, dtype=torch.float64)) == 1.0
    assert alike(torch.ones(1, 8, dtype=torch.float64)) == -1.0
    assert alike(torch.ones(8, 3, dtype=torch.float64)) == -1.0


def test_a_run_of_one_round_has_no_earlier_model() -> None:
    one, two = FederationSettings(rounds=1), FederationSettings(rounds=2)
    assert "change" not in WATCH.planned((one,)).looks_at
    assert "goes by alike, scale, dead and alone, and not by the change" in WATCH.planned((one,)).outline
    assert WATCH.planned((two,)) == WATCH.planned((one, one)) == WATCH
    assert WATCH.outline == ""
    with pytest.raises(ConfigError, match="looks at the change since the last round alone, and this run has one round"):
        Chain((WeightWatch(looks_at=("change",)),)).planned((one,))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alike": 1.5}, "alike: expected"),
        ({"change": -0.1}, "change: expected"),
        ({"dead": "all"}, "dead: expected"),
        ({"looks_at": []}, "looks_at: expected some of change"),
        ({"looks_at": ["changes"]}, "looks_at: expected"),
        ({"on_alarm": "stop"}, "on_alarm: expected"),
    ],
)
def test_thresholds_out_of_range_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Chain.build(({"use": "weight-watch", **options},))
