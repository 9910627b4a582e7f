"""What holds for every attack on updates: same dice same guess, nothing changed, honest failure on empty ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from fedleak.attacks.label_inference import learned_counts
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator
from fedleak.settings.adversary import TrainingFact

COUNTS = {
    "steps": 3, "restarts": 1, "iterations": 2, "epochs": 2, "shadows": 10, "hidden": 16, "training_steps": 4,
    "samples": 2000, "descents": 50,
}  # fmt: skip
"""What attacks are cut down to: these laws ask nothing of how good a guess is, their own tests do."""
OURS = [cls for cls in attacks if cls.__module__.startswith("fedleak.attacks.")]
NAMES = [cls.name for cls in OURS if issubclass(Observation, cls.declared)]
"""Those that look at an update, wrappers with such an attack among them. Of other views: `test_view_laws`."""
UNINFORMED = ("prior", "no-access")
"""The baselines, which never look at the update."""

Fresh = Callable[[str], Observation]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Two runs with the same dice on the same observation, and whether that or the network is another after them."""

    first: Reconstruction
    second: Reconstruction
    changed: bool


def quick(name: str) -> Attack:
    cls = attacks.get(name)
    short = {"use": "inverting-gradients", "steps": 3}
    if name == "best-of":
        return attacks.build(name, {"attack": short, "restarts": 2})
    if name == "mask-search":
        return attacks.build(name, {"attack": short, "seeds": 2**12})
    if name in {"plain", "gradient-disaggregation", "isolated", "fished"}:
        return attacks.build(name, {"attack": short})
    return attacks.build(name, {field.name: COUNTS[field.name] for field in fields(cls) if field.name in COUNTS})


def says_something(guess: Reconstruction) -> bool:
    return guess.failure is not None or bool(guess.guesses)


def bits(observation: Observation) -> list[Tensor]:
    buffers = observation.buffers_after or {}
    network = observation.task.network.state_dict()
    tensors = {**observation.before.state_dict(), **observation.update.tensors, **buffers}
    return [value.clone() for value in (*tensors.values(), *network.values())]


def same(one: Reconstruction, other: Reconstruction) -> bool:
    equal = one.guesses.keys() == other.guesses.keys() and all(
        torch.allclose(guess, other.guesses[goal], rtol=0, atol=0, equal_nan=True)
        for goal, guess in one.guesses.items()
    )
    return equal and repr(one.mismatch) == repr(other.mismatch) and one.failure == other.failure


@pytest.fixture(scope="module", autouse=True)
def few_batches() -> Iterator[None]:
    """Of those that labels are learned from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned_counts, "MOST_NUMBERS", 1)
        yield


# Fixtures of the module's scope as parameters: pytest then asks every law of one attack and network in a row, and the
# clean runs of it serve them all.
@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


OTHERS = [pytest.param(other, marks=pytest.mark.slow) for other in ("smooth_task", "normalized_task")]


@pytest.fixture(scope="module", params=["linear_task", *OTHERS])
def network(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def fresh(task_called, observe, batch_of) -> Fresh:
    """What is held of a message from a network: with public data, a rival's message, and what is asked about."""

    def made(network: str) -> Observation:
        task = task_called(network)
        batch = batch_of(task, 3)
        own = observe(task, batch).with_auxiliary(batch_of(task, 20, seed=1))
        rival = replace(own, cohort=(1,), update=own.update.with_vector(-own.update.vector()))
        return replace(own, others=(rival,), candidates=batch, classes=(2, 0))

    return made


@pytest.fixture(scope="module")
def trial(name: str, network: str, fresh: Fresh) -> Trial:
    observation = fresh(network)
    before = bits(observation)
    first, second = (quick(name).run(observation, generator(7)) for _ in range(2))
    changed = not all(torch.equal(old, new) for old, new in zip(before, bits(observation), strict=True))
    return Trial(first=first, second=second, changed=changed)


@pytest.fixture
def observation(network: str, fresh: Fresh) -> Observation:
    return fresh(network)


@pytest.mark.slow
def test_same_dice_same_guess_and_nothing_is_changed(trial: Trial) -> None:
    assert same(trial.first, trial.second)
    assert not trial.changed


def test_a_guess_is_images_in_the_box_and_labels_that_exist(trial: Trial, observation: Observation) -> None:
    guess = trial.first
    if guess.inputs is not None:
        assert guess.inputs.dtype == torch.float32
        assert guess.inputs.shape[1:] == observation.task.shape
        assert guess.inputs.min() >= 0
        assert guess.inputs.max() <= 1
    if guess.labels is not None:
        assert guess.labels.dtype == torch.int64
        assert set(guess.labels.tolist()) <= set(range(observation.task.classes))
    assert says_something(guess)


def test_an_update_without_information_fails_with_a_reason(name, observation, with_update, trial) -> None:
    for value, words in ((0.0, "zero"), (float("nan"), "NaN"), (float("inf"), "infinite")):
        empty = with_update(observation, torch.full_like(observation.update.vector(), value))
        guess = quick(name).run(empty, generator(7))
        if name in UNINFORMED:
            assert same(guess, trial.first)
            continue
        assert guess.failure
        assert guess.inputs is None
        # Or the attack does not apply to such a network at all, and says that.
        assert words in guess.failure or guess.failure == trial.first.failure


@pytest.mark.slow
def test_a_masked_update_gives_some_guess_or_a_reason(name, observation, with_update) -> None:
    vector = observation.update.vector()
    garbage = (torch.rand(vector.shape, generator=generator("mask")) - 0.5) * 2**15
    masked = replace(with_update(observation, garbage), masked=True, buffers_after=None)
    guess = quick(name).run(masked, generator(7))
    assert says_something(guess)
    if guess.inputs is not None:
        assert torch.isfinite(guess.inputs).all()


@pytest.mark.slow
def test_everything_may_be_unknown(name, observation) -> None:
    unknown = LocalTraining().hiding(get_args(TrainingFact))
    context = {"cohort": (0, 1), "auxiliary": None, "others": (), "candidates": None}
    blind = replace(observation, training=unknown, num_examples=None, buffers_after=None, **context)
    guess = quick(name).run(blind, generator(7))
    assert says_something(guess)


AS_PEOPLE_TRAIN = (
    {"optimizer": "adamw", "weight_decay": 0.01, "learning_rate": 1e-3},
    {"momentum": 0.9, "nesterov": True, "gradient_clipping": 0.5, "batches": 2, "schedule": "CosineAnnealingLR"},
    {"augmentation": ('{"name": "RandomHorizontalFlip"}',), "proximal": 0.1, "batch_size": 1, "batches": 3,
     "accumulation": 2},
)  # fmt: skip


@pytest.mark.slow
def test_however_clients_train_there_is_a_guess_or_a_reason(name, network, observe, task_called, batch_of) -> None:
    task = task_called(network)
    batch = batch_of(task, 3)
    for way in AS_PEOPLE_TRAIN:
        if way.get("batch_size") == 1 and network == "normalized_task":
            continue  # a batch of one has no variance
        training = LocalTraining(**{"batch_size": 3, **way})
        guess = quick(name).run(observe(task, batch, training), generator(7))
        assert says_something(guess)
        assert guess.certificate is None or training.optimizer == "sgd"


NEEDS_A_GRADIENT = ("analytic-linear", "cocktail-party", "r-gap", "spear", "batch-counts", "ilrg", "llg", "geng-counts")


@pytest.mark.parametrize("chosen", NEEDS_A_GRADIENT)
def test_what_reads_a_gradient_refuses_signs(chosen: str, observe, task_called, batch_of) -> None:
    task = task_called("linear_task")
    adam = LocalTraining(batch_size=1, optimizer="adam")
    guess = quick(chosen).run(observe(task, batch_of(task, 1), adam), generator(7))
    assert guess.failure
    assert "the signs of a gradient and not the gradient" in guess.failure


def test_options_are_checked_where_they_enter():
    assert attacks.build("dlg", {"steps": 100}).steps == 100
    nested = attacks.from_table({"use": "best-of", "attack": {"use": "dlg"}, "restarts": 8})
    assert attacks.from_table(nested.options() | {"use": "best-of"}) == nested
    with pytest.raises(ConfigError, match="step: unknown field of attack 'dlg'; did you mean 'steps'"):
        attacks.build("dlg", {"step": 100})
    with pytest.raises(ConfigError, match="steps: expected greater than or equal to 1, got 0"):
        attacks.build("dlg", {"steps": 0})
