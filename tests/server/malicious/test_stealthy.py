"""A stealthy server arrives where the plain one does, by steps that can be said beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Isolation, Manipulation, ServerTerms, manipulations, planted
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.server.malicious.stealthy import Stealthy
from fedleak.server.malicious.sybils import Sybils
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
HONEST = initial_weights("digits-mlp", 0)


@dataclass(frozen=True, kw_only=True)
class Ones(Manipulation):
    """Every row of the first matrix the same."""

    name: ClassVar[str] = "ones"
    deed: ClassVar[str] = "sends ones"
    takes: ClassVar[str] = "nothing"
    sends_alike: ClassVar[bool] = False

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        first = next(name for name, value in at.weights.parameters.items() if value.dim() == 2)
        row = torch.randn(at.weights.parameters[first].shape[1], generator=rng)
        state = at.weights.state_dict()
        return at.weights.like({**state, first: row.expand_as(state[first])})

    def isolation(self, task: Task, before: Mapping[int, Weights]) -> Isolation | None:
        return Isolation(victim=0, trusted={})

    def parts(self, task: Task, before: Mapping[int, Weights]) -> Mapping[int, int]:
        return {0: 1}


def sent(one: Manipulation, round: int, **changes: Any) -> dict[str, torch.Tensor]:
    at = Crafting(
        task=TASK,
        weights=HONEST,
        round=round,
        client=0,
        cohort=(0, 1),
        federation=FederationSettings(rounds=4),
    )
    return one.craft(replace(at, **changes), Generator().manual_seed(0)).state_dict()


def moved(state: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, value in HONEST.state_dict().items() if not value.equal(state[name])]


def test_it_arrives_in_equal_steps_from_the_round_in_which_it_begins() -> None:
    (name,) = moved(sent(Stealthy(manipulation=Ones()), 1))
    whole = sent(Stealthy(manipulation=Ones()), 1)[name]
    honest = HONEST.state_dict()[name]
    steps = [sent(Stealthy(manipulation=Ones(), over=4), round, first=2)[name] for round in (2, 3, 4, 5, 6)]
    for step, share in zip(steps, (0.25, 0.5, 0.75, 1.0, 1.0), strict=True):
        assert torch.allclose(step, honest + share * (whole - honest), atol=1e-6)


def test_with_jitter_no_two_rows_are_alike_and_the_noise_is_as_large_as_asked_for() -> None:
    (name,) = moved(sent(Stealthy(manipulation=Ones()), 1))
    plain, noisy = (sent(Stealthy(manipulation=Ones(), jitter=jitter), 1)[name] for jitter in (0.0, 0.1))
    assert len(plain.unique(dim=0)) == 1
    assert len(noisy.unique(dim=0)) == len(noisy)
    relative = float((noisy - plain).square().mean().sqrt() / plain.square().mean().sqrt())
    assert relative == pytest.approx(0.1, rel=0.1)


def test_rows_that_stay_are_an_honest_server_s_and_the_same_in_all_rounds() -> None:
    (name,) = moved(sent(Stealthy(manipulation=Ones()), 1))
    first, later = (sent(Stealthy(manipulation=Ones(), alive=0.5), round)[name] for round in (1, 3))
    kept = (first == HONEST.state_dict()[name]).all(1)
    assert 0.2 < kept.double().mean() < 0.8
    assert first.equal(later)


def test_it_is_what_it_wraps() -> None:
    one = Stealthy(manipulation=Ones())
    assert not one.sends_alike
    assert not one.uses_public
    assert one.isolation(TASK, {}) == Isolation(victim=0, trusted={})
    assert one.parts(TASK, {}) == {0: 1}
    assert [each.name for each in planted([one])] == ["stealthy", "ones"]


def test_more_steps_than_rounds_are_refused() -> None:
    terms = ServerTerms(federation=FederationSettings(rounds=3), task=TASK)
    with pytest.raises(ConfigError, match="over 4 rounds"):
        Stealthy(manipulation=Ones(), over=4).require(terms)


def test_a_server_that_begins_too_late_to_arrive_is_refused() -> None:
    late = ServerTerms(federation=FederationSettings(rounds=5), task=TASK, begins=4)
    with pytest.raises(ConfigError, match="there are 2 from round 4 on, in which the server begins; lower over or beg"):
        Stealthy(manipulation=Ones(), over=4).require(late)
    Stealthy(manipulation=Ones(), over=2).require(late)


def test_lies_have_no_weights_to_hide() -> None:
    terms = ServerTerms(federation=FederationSettings(), task=TASK, protocol="secure-aggregation")
    for one in (Stealthy(manipulation=Sybils()), Stealthy(manipulation=Stealthy(manipulation=Sybils()))):
        with pytest.raises(ConfigError, match="expected a manipulation of weights within it, got 'sybils'"):
            one.require(terms)


def test_rows_that_stay_honest_leave_fewer_alone() -> None:
    within = manipulations.build("imprint", {"bins": 64})
    hidden = Stealthy(manipulation=within, alive=0.25)
    assert hidden.expected_alone(16) == pytest.approx(0.75 * within.expected_alone(16))
    assert Stealthy(manipulation=Ones()).expected_alone(16) is None
