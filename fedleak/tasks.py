"""Catalogue of tasks: a data source and a network under the name `SOURCE-MODEL`, as in `photos-convnet`."""

from functools import lru_cache
from pathlib import Path

from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.model import models
from fedleak.contracts.source import (
    CATALOGUE,
    IMAGE_FOLDER,
    Shape,
    Source,
    class_folders,
    image_folder,
    register_source,
    sources,
)
from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

__all__ = [
    "CATALOGUE",
    "IMAGE_FOLDER",
    "Shape",
    "Source",
    "class_folders",
    "hardened",
    "image_folder",
    "initial_weights",
    "parse_name",
    "register_source",
    "sources",
    "task_named",
    "weights_of",
]


@lru_cache(maxsize=32)
def task_named(name: str) -> Task:
    """The task `SOURCE-MODEL`, or `image-folder:PATH` (a convnet) and `image-folder-MODEL:PATH`."""
    source, model = parse_name(name)
    network = models.build(model, {}, "task").network(source.shape, source.classes)
    return Task(name, network, source.shape, source.classes)


@lru_cache(maxsize=32)
def hardened(name: str, chain: Chain) -> Task:
    """The task of that name as it is trained under a chain; raises `ConfigError` where a defense does not fit it."""
    return chain.task(task_named(name))


def parse_name(name: str) -> tuple[Source, str]:
    """The data source and the model that a task's name stands for."""
    kind, colon, path = name.partition(":")
    if kind.startswith(IMAGE_FOLDER) and colon:
        return image_folder(Path(path).expanduser()), kind.removeprefix(IMAGE_FOLDER).removeprefix("-") or "convnet"
    known = {cls.name for cls in models}  # first: finding the models also loads plug-ins, which may add sources
    for source in sources.values():
        model = name.removeprefix(f"{source.name}-")
        if model != name and model in known:
            return source, model
    raise ConfigError(f"task: no task is called '{name}'{did_you_mean(name, (*CATALOGUE, 'image-folder:PATH'))}")


def initial_weights(task: Task, seed: int, chain: Chain | None = None) -> Weights:
    """Fresh weights by the architecture's own initialization; the same seed gives the same weights.

    `task` is the one of that name or hardened by `chain`, whose layers come last: the others are as without it.
    """
    with seeded(seed, "initial weights", task.name):
        source, model = parse_name(task.name)
        network = models.build(model, {}, "task").network(source.shape, source.classes)
        return weights_of((chain or Chain()).task(Task(task.name, network, source.shape, source.classes)).network)


def weights_of(network: nn.Module) -> Weights:
    """A copy of a network's parameters and buffers."""
    return Weights.of(network).clone()
