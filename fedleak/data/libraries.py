"""Any data set of torchvision, or of Hugging Face through flwr-datasets, by its name."""

import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from fedleak.data.loader import Loader, loaders
from fedleak.data.own import batch_of_items
from fedleak.data.torchvision_sets import UNREADABLE, quiet_and_impatient, root
from fedleak.errors import ConfigError, DataError, did_you_mean, first_line
from fedleak.learning.batch import Batch, joined
from fedleak.learning.source import Source


@loaders.register("torchvision")
@dataclass(frozen=True, kw_only=True)
class Torchvision(Loader):
    """`torchvision:NAME`: its training and its test images, from FEDLEAK_DATA or the network, fitted into the shape."""

    paper: ClassVar = "https://github.com/pytorch/vision"
    cites: ClassVar = "torchvision2016"

    def read(self, source: Source) -> Batch:
        from torchvision import datasets

        found = getattr(datasets, source.reference, None)
        if not inspect.isclass(found):
            raise ConfigError(
                f"task.data: torchvision has no data set called '{source.reference}'"
                f"{did_you_mean(source.reference, datasets.__all__)}"
            )
        return joined(batch_of_items(part, source) for part in _parts(found, source))


def _parts(found: Any, source: Source) -> Iterator[Any]:
    """The data set's training part and its test part, or what `data_options` asks for, or all."""
    options, parameters = json.loads(source.options), inspect.signature(found).parameters
    rooted = {"root": str(root()), **options} if "root" in parameters else options
    if "train" in parameters and "train" not in options:
        each: list[dict[str, Any]] = [{"train": True}, {"train": False}]
    elif "split" in parameters and "split" not in options:
        each = [{"split": "train"}, {"split": "test"}]
    else:
        each = [{}]
    for part in each:
        yield _opened(found, {**rooted, **part}, source)


def _opened(found: Any, arguments: dict[str, Any], source: Source) -> Any:
    try:
        return found(**arguments)
    except TypeError as error:
        raise ConfigError(f"task.data_options: {source.reference} refuses {arguments} ({first_line(error)})") from error
    except (OSError, *UNREADABLE) as error:
        if "download" not in inspect.signature(found).parameters:
            raise _missing(source, error) from error
    try:
        with quiet_and_impatient():
            return found(**arguments, download=True)
    except (OSError, *UNREADABLE) as error:
        raise _missing(source, error) from error


def _missing(source: Source, error: Exception) -> DataError:
    return DataError(
        f"torchvision:{source.reference}: expected its files below {root()}, or a download ({first_line(error)}); set "
        "FEDLEAK_DATA to the folder that has them"
    )


@loaders.register("huggingface")
@dataclass(frozen=True, kw_only=True)
class HuggingFace(Loader):
    """`huggingface:NAME`: its split "train", from the cache or the network, fitted into the shape.

    `data_options`: `image` and `label` name the columns, `split` another split; the rest goes to `load_dataset`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2109.02846"
    cites: ClassVar = "lhoest2021datasets"

    def read(self, source: Source) -> Batch:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        from flwr_datasets import FederatedDataset

        options = json.loads(source.options)
        image, label, split = (options.pop(key, None) for key in ("image", "label", "split"))
        try:
            whole = FederatedDataset(dataset=source.reference, partitioners={}, shuffle=False, **options)
            rows = whole.load_split(split or "train")
        except Exception as error:  # the library raises whatever it comes across, most of all without a network
            raise DataError(
                f"huggingface:{source.reference}: cannot be loaded ({type(error).__name__}: {first_line(error)}); load "
                "it once where there is a network, or give the folder of its files"
            ) from error
        columns = (_column(rows, image, ("image", "img"), source), _column(rows, label, ("label", "labels"), source))
        return batch_of_items(_Rows(rows, *columns), source)


def _column(rows: Any, named: str | None, usual: tuple[str, ...], source: Source) -> str:
    for name in (named,) if named else usual:
        if name in rows.column_names:
            return name
    wanted = named or " or ".join(usual)
    raise ConfigError(
        f"task.data_options: {source.reference} has no column {wanted}; it has {', '.join(rows.column_names)}: name "
        f"one, as in {{{usual[0]} = ...}}"
    )


@dataclass(frozen=True)
class _Rows:
    """Two columns of a table as a map-style data set."""

    rows: Any
    image: str
    label: str

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        row = self.rows[place]
        return row[self.image], row[self.label]
