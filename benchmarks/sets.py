"""Data sets of papers in a folder of image files: CIFAR-10 as JPEG, and some images of ImageNet."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from fedleak.contracts.source import image_folder, register_source
from fedleak.data.image_folder import ImageFolder
from fedleak.data.loader import Loader, loaders
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source

FOLDERS = {"cifar10": "cifar10-jpeg/test", "imagenet": "imagenet-samples"}
"""What the rows call a set, and where it lies in the folder of `--data`."""
JPEG = "-jpeg"
"""What is put behind the name of a set that is read from there."""


@dataclass(frozen=True, kw_only=True)
class Folder(Loader):
    """The images of a source's folder, one subfolder a class."""

    paper: ClassVar = "https://github.com/pytorch/vision"
    cites: ClassVar = "torchvision2016"

    def read(self, source: Source) -> Batch:
        return ImageFolder().read(source)


def register_sets(data: Path) -> None:
    """Makes the sets in a folder known to this process, each under a name that does not depend on where it lies."""
    for name, folder in FOLDERS.items():
        if (data / folder).is_dir():
            register_source(replace(image_folder(data / folder), name=f"{name}{JPEG}"))
            loaders.register(f"{name}{JPEG}")(type(f"Folder_{name}", (Folder,), {}))


def found_in(task: str, data: Path | None) -> str:
    """The task with its set read from the folder, where that has it."""
    source, _, model = task.partition("-")
    there = data is not None and source in FOLDERS and (data / FOLDERS[source]).is_dir()
    return f"{source}{JPEG}-{model}" if there else task
