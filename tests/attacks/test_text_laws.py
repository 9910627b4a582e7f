"""What holds for every attack where the examples are windows of a text: a guess, or a sentence of why not."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.served import Served
from fedleak.data.splits import Splits, load
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of, task_of
from tests.attacks.test_table_laws import ON_MODELS, ON_UPDATES, quick

TEXT = TaskSettings.model_validate(
    {"data": "pydoc", "network": "gru", "options": {"hidden": 12}, "data_options": {"length": 6}}
)


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(TEXT)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load(source_of(TEXT))


@pytest.fixture(scope="module")
def seen(task: Task, splits: Splits, observe: Callable[..., Observation]) -> Callable[[int], Observation]:
    """What is held of a message from a writer: with public windows, a rival's message, and what is asked about."""

    def made(examples: int) -> Observation:
        batch, public = splits.clients[torch.arange(examples)], splits.auxiliary[torch.arange(64)]
        own = observe(task, batch, LocalTraining(batch_size=examples)).with_auxiliary(public)
        rival = replace(own, cohort=(1,), update=own.update.with_vector(-own.update.vector()))
        return replace(own, others=(rival,), candidates=batch, classes=(1, 0))

    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_UPDATES)
@pytest.mark.parametrize("examples", [1, 3])
def test_an_attack_guesses_labels_or_says_why_not(name: str, examples: int, task: Task, seen) -> None:
    guess = quick(name).run(seen(examples), generator(7))
    assert guess.failure is not None or guess.guesses
    assert "\n" not in (guess.failure or "")
    assert guess.inputs is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_MODELS)
def test_who_sees_the_model_guesses_or_says_why_not(name: str, task: Task, splits: Splits, release, serve) -> None:
    candidates = splits.clients[torch.arange(10)]
    known = {"classes": (1, 0), "auxiliary": splits.auxiliary[torch.arange(64)], "candidates": candidates}
    served = attacks.get(name).declared is Served
    view = serve(task, 60, **known) if served else release(task, **known, earlier=(release(task, **known),))
    guess = quick(name).run(view, generator(7))
    assert guess.failure is not None or guess.guesses
    assert "\n" not in (guess.failure or "")
