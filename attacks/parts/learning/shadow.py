"""Updates that the server would see if clients trained on examples that it holds: what learned attacks learn from."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.client_round import client_round
from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import seeded

from ..applicability import mode_of


def shadow_update(observation: Observation, examples: Batch, rng: Generator) -> Update:
    """The update of a cohort like the observed one that trains on `examples`: same weights, training and defenses.

    The examples are dealt out to as many clients as the cohort has; each trains, defends its update with dice of the
    adversary's own (`rng`), and what comes back is rounded as a weight difference in the message's precision is. The
    sum is weighted by examples. What is unknown of the training counts as `assumed_training` says. Raises
    `NonFiniteError` where training diverges.
    """
    parts = torch.arange(len(examples)).tensor_split(min(len(observation.cohort), len(examples)))
    sent = [(len(part) / len(examples), _sent(observation, examples[part], rng)) for part in parts]
    mean = {
        name: torch.stack([share * update.tensors[name] for share, update in sent]).sum(0)
        for name in observation.update.tensors
    }
    return Update(mean, observation.update.kind)


def assumed_training(observation: Observation, examples: int) -> LocalTraining:
    """How one client of the cohort trains on `examples`: as known, else plain SGD in one step over all of them."""
    usual = LocalTraining(batch_size=examples, batches=1, epochs=1, mode=mode_of(observation))
    return observation.training.known_or(usual)


def draw_batches(examples: Batch, size: int, count: int, rng: Generator) -> list[Batch]:
    """`count` batches of `size` examples: permutations dealt out one after the other, so each example comes as often.

    A batch holds no example twice unless there are fewer than `size`.
    """
    return [examples[chosen] for chosen in _dealt(len(examples), size, count, rng)]


def _dealt(examples: int, size: int, count: int, rng: Generator) -> list[Int[Tensor, " size"]]:
    if size > examples:
        return list(torch.randint(examples, (count, size), generator=rng))
    each = examples // size
    deals = [torch.randperm(examples, generator=rng)[: each * size] for _ in range(-(-count // each))]
    return list(torch.cat(deals).reshape(-1, size)[:count])


def _sent(observation: Observation, examples: Batch, rng: Generator) -> Update:
    """What one client of the cohort sends, through its defenses with the adversary's own dice."""
    task, before, chain = observation.task, observation.before, observation.defense
    seed = int(torch.randint(2**62, (), generator=rng))
    if observation.update.kind is UpdateKind.GRADIENT:
        return _gradient(observation, examples, seed, rng)
    training = assumed_training(observation, len(examples))
    arrived = client_round(task, before, examples, training, chain, ("shadow", seed)).weights.parameters
    return Update({name: arrived[name] - value for name, value in before.parameters.items()}, UpdateKind.DELTA)


def _gradient(observation: Observation, examples: Batch, seed: int, rng: Generator) -> Update:
    """The same for clients that send a gradient as it is."""
    for defense in observation.defense:
        examples = defense.examples(observation.task, examples, rng)
    weights = observation.before.clone()
    step = Step(task=observation.task, weights=weights, examples=examples, mode=mode_of(observation))
    with seeded("shadow", seed):  # for dropout
        gradient = observation.defense.gradient(step, rng)
    return observation.defense.protect(Update(gradient, UpdateKind.GRADIENT), rng)


# More public batches than there are: images mixed with one another, labels drawn.


def mixed(batches: list[Batch], share: float, classes: int, rng: Generator) -> list[Batch]:
    """A share of the batches (the first ones) with each image mixed with that of another batch, and labels drawn.

    `x + w (x' - x)` with w uniform in [0, 1/2]. What an image does to a gradient depends little on whether it looks
    like one, and with any label it is still this image, so an inverter learns from all. Source:
    https://arxiv.org/abs/1710.09412
    """
    changed = round(share * len(batches))
    partners = torch.randperm(len(batches), generator=rng)[:changed]
    return [_mixed(batches[i], batches[int(j)], classes, rng) for i, j in enumerate(partners)] + batches[changed:]


def _mixed(one: Batch, other: Batch, classes: int, rng: Generator) -> Batch:
    weights = 0.5 * torch.rand(len(one), *[1] * (one.inputs.dim() - 1), generator=rng)
    if one.labels.dim() == 2:  # sets of labels: those of the partners
        return replace(one, inputs=torch.lerp(one.inputs, other.inputs, weights), labels=other.labels)
    labels = torch.randint(classes, (len(one),), generator=rng)
    return replace(one, inputs=torch.lerp(one.inputs, other.inputs, weights), labels=labels)
