"""Tasks: a data source and a network, under the name `SOURCE-MODEL` as in `photos-convnet`, or as a user's table."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.criterion import criterion_of
from fedleak.contracts.data import described, source_of_table
from fedleak.contracts.manipulated import shipped
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.model import models, require_loss
from fedleak.contracts.network import network_of
from fedleak.contracts.source import (
    CATALOGUE,
    FILES,
    IMAGE_FOLDER,
    image_folder,
    in_files,
    register_source,
    sources,
)
from fedleak.contracts.splitting import split_network
from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.loss import CrossEntropy
from fedleak.learning.source import Shape, Source
from fedleak.learning.space import space_of_source
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded
from fedleak.settings.bundle import bundle_at
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings

__all__ = [
    "Shape",
    "Source",
    "hardened",
    "initial_weights",
    "parse_name",
    "register_source",
    "source_of",
    "task_of",
    "weights_of",
]


@lru_cache(maxsize=32)
def task_of(settings: TaskSettings | str) -> Task:
    """The task of a table or of a name: `SOURCE-MODEL`, `image-folder:PATH` (a convnet), `image-folder-MODEL:PATH`,
    `csv:PATH` (an mlp), `csv-MODEL:PATH`, and so for `adult` and `text` (a gru).

    Raises `ConfigError` where there is no such task, or its network and its data do not fit; `RecordingError` where an
    audited app is not what was audited any more.
    """
    settings = _settings(settings)
    if settings.bundle is not None:
        bundle_at(Path(settings.folder or ""), settings.bundle)
    return _task(settings, source_of(settings))


@lru_cache(maxsize=32)
def hardened(
    settings: TaskSettings | str, chain: Chain, split: Split | None = None, server: tuple[Manipulation, ...] = ()
) -> Task:
    """That task as it is trained under a chain, with the network that a server ships, cut among parties.

    Raises `ConfigError` where one of these does not fit.
    """
    return chain.task(shipped(_split(_settings(settings), task_of(settings), split), server))


def source_of(settings: TaskSettings | str) -> Source:
    """What is public about the data of a task."""
    settings = _settings(settings)
    return parse_name(settings.label)[0] if settings.is_short else source_of_table(settings)


def parse_name(name: str) -> tuple[Source, str]:
    """The data source and the model that a task's name stands for."""
    kind, colon, path = name.partition(":")
    if kind.startswith(IMAGE_FOLDER) and colon:
        return image_folder(Path(path).expanduser()), kind.removeprefix(IMAGE_FOLDER).removeprefix("-") or "convnet"
    for file, (_, usual) in FILES.items():
        if colon and (kind == file or kind.startswith(f"{file}-")):
            model = kind.removeprefix(file).removeprefix("-") or usual
            return described(in_files(file, Path(path).expanduser())), model
    known = {cls.name for cls in models}  # first: finding the models also loads plug-ins, which may add sources
    for source in sources.values():
        model = name.removeprefix(f"{source.name}-")
        if model != name and model in known:
            return described(source), model
    names = (*CATALOGUE, f"{IMAGE_FOLDER}:PATH", *(f"{file}:PATH" for file in FILES))
    raise ConfigError(f"task: no task is called '{name}'{did_you_mean(name, names)}")


def initial_weights(
    settings: TaskSettings | str,
    seed: int,
    chain: Chain | None = None,
    split: Split | None = None,
    server: tuple[Manipulation, ...] = (),
) -> Weights:
    """Fresh weights by the architecture's own initialization; the same seed gives the same weights.

    Those that a network is made with, pretrained ones say, are among them. The layers that a `server` and then
    `chain` put in come last: the others are as without them.
    """
    settings = _settings(settings)
    source = source_of(settings)
    with seeded(seed, "initial weights", settings.label):
        return weights_of(
            (chain or Chain()).task(shipped(_split(settings, _task(settings, source), split), server)).network
        )


def weights_of(network: nn.Module) -> Weights:
    """A copy of a network's parameters and buffers."""
    return Weights.of(network).clone()


def _settings(settings: TaskSettings | str) -> TaskSettings:
    return TaskSettings.model_validate(settings)


def _task(settings: TaskSettings, source: Source) -> Task:
    network, space = _network(settings, source), space_of_source(source)
    criterion = CrossEntropy() if settings.is_short else criterion_of(settings, source, network)
    return Task(settings.label, network, space.shape, source.classes, source=source, criterion=criterion, given=space)


def _split(settings: TaskSettings, task: Task, split: Split | None) -> Task:
    """The task with its network cut among parties, fresh weights in each part."""
    if split is None:
        return task
    source = source_of(settings)
    return replace(task, network=split_network(lambda part: _network(settings, part), source, split))


def _network(settings: TaskSettings, source: Source) -> nn.Module:
    if settings.is_short:
        model = models.build(parse_name(settings.label)[1], {}, "task")
        require_loss(model, source, settings.loss)
        return model.on(source)
    return network_of(settings, source)
