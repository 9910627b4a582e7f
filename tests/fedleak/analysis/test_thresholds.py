"""Thresholds: an honest model of a seed that set none is above them no more often than was asked."""

import numpy as np
import pytest

from fedleak.analysis.thresholds import Usual, least_rate, require_enough, seeds_for
from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign

SERVERS = [
    {"name": "honest"},
    {"name": "liar", "chain": [{"use": "imprint", "form": "weights", "bins": 64}], "begins": 2},
]
CHECKED = [{"name": "watched", "chain": [{"use": "weight-watch"}]}]


def shared(draw: np.random.Generator, seeds: int, figures: int) -> np.ndarray:
    """Figures of models by seed, client and figure: most of one follows from its seed alone."""
    return draw.standard_normal((seeds, 1, figures)) + 0.1 * draw.standard_normal((seeds, 8, figures))


def usual_of(values: np.ndarray) -> Usual:
    seeds, clients, figures = values.shape
    table = {str(one): values[:, :, one].ravel() for one in range(figures)}
    return Usual(tuple(seed for seed in range(seeds) for _ in range(clients)), table)


@pytest.mark.parametrize(("figures", "seeds", "rate"), [(1, 19, 0.05), (1, 40, 0.05), (5, 40, 0.05), (5, 9, 0.1)])
def test_what_all_clients_of_a_seed_share_raises_no_more_false_alarms_than_asked(
    figures: int, seeds: int, rate: float
) -> None:
    draw, raised = np.random.default_rng(0), []
    for _ in range(150):
        usual, others = usual_of(shared(draw, seeds, figures)), usual_of(shared(draw, 20, figures))
        raised.append((usual.rarity(others.table) > usual.threshold(rate)).mean())
    assert rate / 4 < np.mean(raised) < rate * 1.15


def test_a_seed_of_one_model_weighs_as_much_as_those_of_many() -> None:
    draw = np.random.default_rng(0)
    many = tuple(seed for seed in range(18) for _ in range(100))
    usual = Usual((*many, 18), {"a": np.array([*draw.random(len(many)), 9.0])})
    assert usual.rarity({"a": np.array([8.0])}) <= usual.threshold(0.05)


def test_of_one_seed_models_are_compared_with_each_other() -> None:
    assert Usual((0, 0), {"a": np.array([1.0, 2.0])}).threshold(0.5) == 0.5


@pytest.mark.parametrize("rate", [0.5, 0.3, 0.1, 0.05, 0.01, 0.001])
def test_so_many_seeds_are_just_enough_for_a_rate(rate: float) -> None:
    assert least_rate(seeds_for(rate)) <= rate + 1e-12
    assert least_rate(seeds_for(rate) - 1) > rate


def test_many_clients_and_rounds_of_few_seeds_are_refused_before_anything_runs() -> None:
    base = {"name": "n", "task": "digits-mlp", "seed": [0, 1, 2], "servers": SERVERS, "defenses": CHECKED}
    campaign = parse_campaign({**base, "federation": {"clients": 50, "rounds": 3}})
    require_enough(campaign, 0.34)
    with pytest.raises(ConfigError, match=r"takes honest rounds of 9 seeds .* there are 2; .* seeds = 9, or raise"):
        require_enough(campaign, 0.1)


def test_seeds_that_only_calibrate_are_enough_where_there_are_so_many() -> None:
    base = {"name": "n", "task": "digits-mlp", "seed": 0, "servers": SERVERS, "defenses": CHECKED}
    campaign = parse_campaign({**base, "federation": {"rounds": 3}, "calibration": {"seeds": 9}})
    require_enough(campaign, 0.1)
    with pytest.raises(ConfigError, match="there are 9;"):
        require_enough(campaign, 0.05)
