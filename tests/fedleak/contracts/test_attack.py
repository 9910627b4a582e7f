"""A refusal is a failed guess, a bug is none, and an attack written for old names is told the new ones."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from fedleak.attacks.wrappers.best_of import BestOf
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Registry
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.view import View
from fedleak.errors import ConfigError, NotApplicable
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.tasks import weights_of


class Lucky(Attack):
    """Applies when its draw is even."""

    def reconstruct(self, observation, rng):
        number = int(torch.randint(100, (), generator=rng))
        if number % 2:
            raise NotApplicable(f"{number} is odd")
        return Reconstruction(labels=torch.tensor([number]), mismatch=float(number))


class Broken(Attack):
    """Has a bug."""

    def reconstruct(self, observation, rng):
        raise ZeroDivisionError


@pytest.fixture
def observation() -> Observation:
    task = Task("line", torch.nn.Linear(1, 2), (1, 1, 1), 2)
    before = weights_of(task.network)
    return Observation(task=task, before=before, update=Update(before.parameters, UpdateKind.GRADIENT))


def test_where_an_attack_does_not_apply_its_guess_failed_for_that_reason(observation):
    guesses = [Lucky().run(observation, generator(seed)) for seed in range(20)]
    refused = [guess for guess in guesses if guess.failure]
    assert refused
    assert len(refused) < 20
    assert all(guess.failure.endswith("is odd") and guess.labels is None for guess in refused)


def test_a_bug_is_not_swallowed(observation):
    with pytest.raises(ZeroDivisionError):
        Broken().run(observation, generator(0))


def test_one_attempt_of_several_may_be_refused(observation):
    guess = BestOf(attack=Lucky(), restarts=20).run(observation, generator(0))
    assert guess.failure is None
    assert int(guess.labels) % 2 == 0


@pytest.mark.parametrize(("old", "new"), [("wants", "requires"), ("answers", "targets")])
def test_an_attack_with_a_member_of_an_old_name_is_told_the_new_one(old, new):
    registry: Registry[Attack] = Registry("attack", "fedleak.attacks")
    cls = type("Old", (Lucky,), {old: frozenset({"others"})})
    with pytest.raises(ConfigError, match=f"attack 'old' .* has '{old}', which is called '{new}' now"):
        registry.register("old")(cls)


def test_a_wrapper_requires_what_the_attack_within_it_does():
    @dataclass(frozen=True, kw_only=True)
    class Curious(Lucky):
        name: ClassVar = "curious"
        requires = frozenset({"candidates"})

    assert BestOf(attack=Curious(), restarts=2).requires == {"candidates"}
    assert attacks.build("best-of", {"attack": "bias-sign"}).targets == {"labels"}


def test_an_attack_that_was_renamed_answers_to_both_names() -> None:
    assert attacks.build("no-gradient", {}) == attacks.build("no-access", {})
    assert attacks.build("no-gradient", {}).name == "no-access"
    assert "no-gradient" not in [cls.name for cls in attacks]


class OfWeights(Attack[Released]):
    """Looks at a released model."""

    def reconstruct(self, observation, rng):
        return Reconstruction()


class Below(OfWeights):
    """Says nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Around(Attack[View]):
    """A wrapper."""

    attack: Attack

    def reconstruct(self, observation, rng):
        return self.attack.reconstruct(observation, rng)


def test_what_an_attack_looks_at_stands_in_the_brackets() -> None:
    assert Lucky().sees is Observation
    assert OfWeights().sees is Released
    assert Below().sees is Released


def test_a_wrapper_looks_at_what_the_attack_within_it_does() -> None:
    assert Around(attack=OfWeights()).sees is Released
    assert Around(attack=Around(attack=OfWeights())).sees is Released
    assert Around(attack=Lucky()).sees is Observation
