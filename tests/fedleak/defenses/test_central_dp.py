"""Central differential privacy protects from others than the server that does it."""

import math

import pytest
import torch

from fedleak.api import capture
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.federation.plan import FederationPlan
from fedleak.server.strategies import build_strategy
from fedleak.settings.base import Table, parse_settings

CENTRAL: Table = {"use": "central-dp", "noise_multiplier": 1.0, "max_norm": 0.01}


@pytest.mark.slow
@pytest.mark.parametrize("clipping", ["fixed", "adaptive"])
def test_the_tap_sees_what_it_would_see_without_it(clipping: str) -> None:
    plain = capture("digits-mlp", clients=3)
    defended = capture("digits-mlp", clients=3, defense=[{**CENTRAL, "clipping": clipping}])
    for one, other in zip(plain, defended, strict=True):
        assert torch.equal(one.observation.update.vector(), other.observation.update.vector())


@pytest.mark.slow
@pytest.mark.parametrize(("clipping", "more", "within"), [("fixed", 1.0, 0.03), ("adaptive", math.sqrt(4 / 3), 0.3)])
def test_the_model_has_the_noise(clipping: str, more: float, within: float) -> None:
    settings = {"clients": 3, "rounds": 2}
    first, *_, last = capture("digits-mlp", **settings, defense=[{**CENTRAL, "clipping": clipping}])
    before, after = (one.observation.before.parameters for one in (first, last))
    moved = torch.cat([(after[name] - value).flatten() for name, value in before.items()])
    assert moved.std() == pytest.approx(more * 0.01 / 3, rel=within)  # an adaptive norm has moved by then


def plan(**federation: object) -> FederationPlan:
    tree = {"task": "digits-mlp", "recordings": "r", "vault": "v", "federation": federation}
    return parse_settings(FederationPlan, {**tree, "chain": [CENTRAL]})


def test_it_is_flowers_wrapper_around_the_strategy_of_the_federation() -> None:
    wrapper = build_strategy(plan(strategy="FedAvgM", strategy_options={"server_momentum": 0.5}))
    assert type(wrapper).__name__ == "DifferentialPrivacyServerSideFixedClipping"
    assert type(wrapper.strategy).__name__ == "FedAvgM"  # type: ignore[attr-defined]


def test_a_strategy_that_is_such_a_wrapper_already_is_refused() -> None:
    with pytest.raises(ConfigError, match="names already; keep one"):
        build_strategy(plan(strategy="DifferentialPrivacyServerSideFixedClipping"))


def test_it_needs_single_replies() -> None:
    masked = plan().model_copy(update={"chain": (CENTRAL, {"use": "secure-aggregation"})})
    with pytest.raises(ConfigError, match="needs each client's reply"):
        build_strategy(masked)


def test_bad_options_are_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^chain\.0\.max_norm: expected greater than 0, got -1\.0$"):
        Chain.build(({**CENTRAL, "max_norm": -1.0},))
