"""What the benchmarks of attacks share: observations of real data drawn by seed, and what an attack makes of them."""

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.data.splits import load
from fedleak.evaluation import scoring
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, task_of


@dataclass(frozen=True, kw_only=True)
class Case:
    """An attack in a setting, over several draws of examples and weights."""

    attack: str
    task: str
    examples: int
    draws: int
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `LocalTraining`; one step on the whole batch at learning rate 0.1 by default."""
    public: int = 0
    """Public examples that the adversary holds."""
    epochs: int = 0
    """Epochs that the model was trained for on the clients' examples before."""

    @property
    def setting(self) -> str:
        """The setting in words."""
        trained = f", trained {self.epochs} epochs" if self.epochs else ""
        options = "".join(f", {key} = {value}" for key, value in self.options.items())
        facts = "".join(f", {key} {value}" for key, value in self.training.items())
        public = f", {self.public} public" if self.public else ""
        return f"{self.task}, {self.examples} examples{facts}{trained}{public}{options}"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What came of one draw."""

    psnr: tuple[float, ...]
    """Of each true image after matching, in dB; NaN without a guess."""
    prior: float
    """Mean PSNR of the prior's guess, in dB."""
    recall: float
    """Share of the labels that were named, as a multiset."""
    prior_recall: float
    error: float
    """Relative error |guess - truth| / |truth| of the batch; NaN without a guess for each image."""
    seconds: float
    """Processor time on one thread."""
    certified: bool
    failure: str | None
    note: str | None

    @property
    def mean(self) -> float:
        """Mean PSNR over the images that a guess was made for."""
        known = [value for value in self.psnr if not math.isnan(value)]
        return statistics.mean(known) if known else math.nan


def draws_of(case: Case, seed: int) -> list[Draw]:
    """The case at seeds `seed`, `seed + 1`, ..."""
    return [_draw(case, number) for number in range(seed, seed + case.draws)]


def observed(case: Case, seed: int) -> tuple[Observation, Batch]:
    """An observation of one client's local training as a server has it, and the truth behind it."""
    task, splits = task_of(case.task), load(case.task)
    private, rng = splits.clients, generator("benchmark", case.task, seed)
    batch = private[torch.randperm(len(private), generator=rng)[: case.examples]]
    training = LocalTraining(**{"batch_size": case.examples, "learning_rate": 0.1, **case.training})
    before = trained(case.task, case.epochs, seed)
    after = train_locally(task, before, batch, training, ("benchmark", seed))
    public = splits.auxiliary[torch.arange(min(case.public, len(splits.auxiliary)))] if case.public else None
    observation = Observation(
        task=task,
        before=before,
        update=Update({n: after.parameters[n] - value for n, value in before.parameters.items()}, UpdateKind.DELTA),
        buffers_after=after.buffers or None,
        num_examples=case.examples,
        training=training,
        auxiliary=public,
    )
    return observation, batch


@lru_cache(maxsize=16)
def trained(name: str, epochs: int, seed: int) -> Weights:
    """Weights after some epochs of momentum SGD on the clients' examples; untrained ones after none."""
    return trained_on(task_of(name), initial_weights(name, seed), epochs, seed)


def trained_on(task: Task, weights: Weights, epochs: int, seed: int) -> Weights:
    """The weights after some epochs of momentum SGD on the clients' examples; as they are after none."""
    if not epochs:
        return weights
    training = LocalTraining(batch_size=32, epochs=epochs, learning_rate=0.02, momentum=0.9)
    return train_locally(task, weights, load(task.name).clients, training, ("trained", seed))


def accuracy(name: str, weights: Weights) -> float:
    """Share of the test examples that a model names right."""
    test = load(name).test
    with torch.no_grad():
        logits = task_of(name).logits(weights, test.inputs, mode="eval")
    return float((logits.argmax(1) == test.labels).double().mean())


def _draw(case: Case, seed: int) -> Draw:
    observation, truth = observed(case, seed)
    attack = attacks.build(case.attack, case.options)
    started = time.process_time()
    guess = attack.run(observation, generator("attack", seed))
    seconds = time.process_time() - started
    prior = attacks.build("prior", {}).run(observation, generator("prior", seed))
    psnr, recall = (metrics.build(name, {}) for name in ("psnr", "label-recall"))
    images, labels = scoring.score(guess, truth, (psnr, recall), prior)
    return Draw(
        psnr=images.per_sample or (math.nan,) * len(truth),
        prior=_score(prior, truth, "psnr"),
        recall=labels.value,
        prior_recall=_score(prior, truth, "label-recall"),
        error=_relative_error(guess, truth),
        seconds=seconds,
        certified=guess.certificate is not None,
        failure=guess.failure,
        note=guess.note,
    )


def _score(guess: Reconstruction, truth: Batch, metric: str) -> float:
    return scoring.score(guess, truth, (metrics.build(metric, {}),), guess)[0].value


def _relative_error(guess: Reconstruction, truth: Batch) -> float:
    if guess.inputs is None:
        return math.nan
    difference = scoring.matched(guess.inputs, truth).double() - truth.inputs.double()
    return float(difference.norm() / truth.inputs.double().norm())
