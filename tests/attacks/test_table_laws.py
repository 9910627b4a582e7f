"""What holds for every attack where the examples are rows of a table: a guess that is one, or a sentence of why not."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.cut import Cut
from fedleak.contracts.observation import Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.data.splits import load
from fedleak.evaluation.views import without
from fedleak.learning.layers import copied
from fedleak.learning.table import Table
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded
from fedleak.tasks import task_of

COUNTS = {"steps": 8, "restarts": 1, "iterations": 3, "epochs": 2, "shadows": 30, "hidden": 16, "training_steps": 10}
"""What attacks are cut down to: these laws ask nothing of how good a guess is."""
OURS = [cls for cls in attacks if cls.__module__.startswith("fedleak.attacks.")]
ON_UPDATES = [cls.name for cls in OURS if issubclass(Observation, cls.declared)]
ON_MODELS = [cls.name for cls in OURS if not issubclass(Observation, cls.declared) and cls.declared is not Cut]
FOR_IMAGES = ("april", "cpl", "generative-prior", "grad-inversion", "grnn", "mgan-ai", "property-inference")
"""Attacks on updates that refuse whatever is no image."""


def quick(name: str) -> Attack:
    cls = attacks.get(name)
    short = {"use": "inverting-gradients", "steps": 4}
    if name == "best-of":
        return attacks.build(name, {"attack": short, "restarts": 2})
    if name == "mask-search":
        return attacks.build(name, {"attack": short, "seeds": 2**12})
    if name in {"plain", "gradient-disaggregation", "isolated", "fished"}:
        return attacks.build(name, {"attack": short})
    return attacks.build(name, {field.name: COUNTS[field.name] for field in fields(cls) if field.name in COUNTS})


@pytest.fixture(scope="module")
def task() -> Task:
    """With the same weights whichever tests came before: others may have made the network that a process keeps."""
    known = task_of("diabetes-mlp")
    network = copied(known.network)
    with seeded("table laws"):
        for module in network.modules():
            if isinstance(module, torch.nn.Linear):
                module.reset_parameters()
    return replace(known, network=network)


@pytest.fixture(scope="module")
def seen(task: Task, observe: Callable[..., Observation]) -> Callable[[int], Observation]:
    """What is held of a message from patients: with public ones, a rival's message, and what is asked about."""
    splits = load("diabetes-mlp")

    def made(examples: int) -> Observation:
        batch = splits.clients[torch.arange(examples)]
        own = observe(task, batch, LocalTraining(batch_size=examples)).with_auxiliary(splits.auxiliary)
        rival = replace(own, cohort=(1,), update=own.update.with_vector(-own.update.vector()))
        return replace(own, others=(rival,), candidates=batch, classes=(1, 0))

    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_UPDATES)
@pytest.mark.parametrize("examples", [1, 3])
def test_an_attack_guesses_rows_or_says_why_not(name: str, examples: int, task: Task, seen) -> None:
    observation = seen(examples)
    guess = quick(name).run(observation, generator(7))
    assert guess.failure is not None or guess.guesses
    if guess.inputs is not None:
        assert guess.inputs.shape[1:] == task.shape
        assert guess.inputs.min() >= -1
        assert guess.inputs.max() <= 1
        assert torch.isfinite(guess.inputs).all()
    if guess.representatives is not None:
        assert guess.representatives.shape[1:] == task.shape


@pytest.mark.parametrize("name", FOR_IMAGES)
def test_what_is_for_images_says_so_in_one_sentence(name: str, seen) -> None:
    failure = quick(name).run(seen(1), generator(7)).failure
    assert failure is not None
    assert failure.endswith("for images, and the examples are rows of 10 columns")
    assert "\n" not in failure


@pytest.mark.parametrize("name", ["analytic-linear", "inverting-gradients"])
def test_a_row_comes_back_in_words(name: str, task: Task, seen) -> None:
    observation = seen(1)
    guess = attacks.build(name, {}).run(observation, generator(0))
    assert guess.inputs is not None
    assert observation.candidates is not None
    truth = observation.candidates.inputs[0]
    assert isinstance(task.space, Table)
    said, true = task.space.said(guess.inputs[0]), task.space.said(truth)
    assert said["sex"] == true["sex"]
    assert float(said["age"]) == pytest.approx(float(true["age"]), abs=1)


@pytest.mark.parametrize("name", ON_MODELS)
def test_who_sees_the_model_guesses_rows_or_says_why_not(name: str, task: Task, release, serve) -> None:
    splits = load("diabetes-mlp")
    candidates = splits.clients[torch.arange(10)]
    known = {"classes": (1, 0), "auxiliary": splits.auxiliary, "candidates": candidates}
    known |= {"rows": without(candidates, ("sex",)), "hidden": ("sex",)}
    served = attacks.get(name).declared is Served
    view = serve(task, 60, **known) if served else release(task, **known, earlier=(release(task, **known),))
    assert isinstance(view, Served if served else Released)
    guess = quick(name).run(view, generator(7))
    assert guess.failure is not None or guess.guesses
    assert "\n" not in (guess.failure or "")
    if guess.representatives is not None:
        assert guess.representatives.shape == (2, *task.shape)
        assert guess.representatives.abs().nan_to_num(0).max() <= 1
