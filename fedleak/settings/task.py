"""Task settings: the network, the data and what lies between them; by name, or as a table of a user's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ModelWrapValidatorHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError
from fedleak.settings.base import Count, Name, Rate, Settings, Table
from fedleak.settings.bundle import Bundle

IMPORT = ":"
"""Stands between the module and the name in it of what is imported from a user's code."""
APP = "app:"
"""Before the folder of an audit, whose table it stands for."""
AUDITED = "app:images"
"""The data of such a table."""
LIBRARIES = ("adult", "app", "csv", "huggingface", "image-folder", "text", "timm", "torchvision")
"""What may stand before a colon and is no module."""
Finite = Annotated[float, Field(allow_inf_nan=False)]


def is_own(address: object) -> bool:
    """Whether an address is `MODULE:NAME` of a user's code."""
    return isinstance(address, str) and IMPORT in address and address.partition(IMPORT)[0] not in LIBRARIES


def _last_part(address: str | None) -> str:
    """`resnet18` of `torchvision:resnet18`, the last folder of a path."""
    return (address or "").rpartition(IMPORT)[2].rstrip("/").rpartition("/")[2]


def audited_task(folder: Path) -> Table:
    """The table of the task that an audit wrote below its folder, with where its bundle lies and what that holds.

    Raises `ConfigError` where there is none.
    """
    path = folder.expanduser().resolve() / "task" / "task.json"
    try:
        table: Table = json.loads(path.read_text())
        return {**table, "folder": str(path.parent), "bundle": Bundle.read(path.parent).address}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"task: expected app:FOLDER with the folder of an audit that found a task, got {folder}; make one by "
            f"`fedleak audit APP --out {folder}`"
        ) from error


def unplaced(table: Table) -> Table:
    """A task's table without where its bundle lies, which is no part of what it is."""
    return {key: value for key, value in table.items() if key != "folder" or "bundle" not in table}


class NormalizeSettings(Settings):
    """`(x - mean) / std` of each channel, in front of the network: attacks work in the range of the data."""

    mean: tuple[Finite, ...] = Field(strict=False)
    std: tuple[Rate, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _as_many(self) -> "NormalizeSettings":
        if len(self.mean) != len(self.std):
            raise PydanticCustomError("channels", "a mean and a standard deviation for each channel")
        return self


class TaskSettings(Settings):
    """What clients train on. `task = "photos-convnet"` is short for a table with `data` and `network`."""

    name: Name | None = None
    """What it is called in results; for a short form the whole of it, else by default DATA-NETWORK."""
    data: str | None = None
    """A data set of ours, `image-folder:PATH`, `csv:PATH`, `adult:PATH`, `text:PATH`, `torchvision:NAME`,
    `huggingface:NAME`, or `MODULE:NAME` of a function or data set."""
    network: str | None = None
    """An architecture of ours, `torchvision:NAME`, `timm:NAME`, or `MODULE:NAME` of a class or function."""
    options: Table = Field(default={})
    """Keyword arguments of the network."""
    data_options: Table = Field(default={})
    """Keyword arguments of the data set."""
    size: Count | None = None
    """Height and width that images are read at, where they come in several."""
    shape: Annotated[tuple[Count, Count, Count], Field(strict=False)] | None = None
    """Channels, height and width of what a function or data set of the user's gives."""
    classes: Count | None = None
    """How many there are, where the data do not say it before they are read."""
    several_labels: bool = False
    """Whether an example has any number of labels: rows of zeros and ones in place of class indices."""
    normalize: NormalizeSettings | None = Field(default=None, validation_alias=AliasChoices("normalize", "normalise"))
    loss: str = "cross-entropy"
    """Cross-entropy, binary-cross-entropy (of a single logit for two classes, or of each class against the rest),
    mean-squared-error of one-hot labels, likelihood (of a generator), or `MODULE:NAME` of a function of outputs and
    labels, or its class."""
    loss_options: Table = Field(default={})
    """Its options: `class_weights`, `label_smoothing`; `positive_weight` of a single logit; those of a user's own."""
    freeze: tuple[str, ...] = Field(default=(), strict=False)
    """Parameters that are neither trained nor sent: names of them or of modules, with `*` for any characters."""
    folder: str | None = None
    """Where a user's modules lie: by default that of the experiment file; of an audited app its bundle."""
    bundle: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of an audited app's code and images: processes that import it import no other."""

    @model_validator(mode="wrap")
    @classmethod
    def _short_or_table(cls, value: Any, handler: ModelWrapValidatorHandler["TaskSettings"]) -> "TaskSettings":
        if isinstance(value, TaskSettings):
            return value
        if isinstance(value, str) and value.startswith(APP):
            value = audited_task(Path(value.removeprefix(APP)))
        if isinstance(value, str):
            return cls.model_construct(name=value)
        task = handler(value)
        if task.data is None or task.network is None:
            raise PydanticCustomError("task", "the name of a task, or a table with `data` and `network`")
        return task

    @model_serializer(mode="wrap")
    def _as_written(self, handler: Callable[[Any], dict[str, Any]]) -> str | dict[str, Any]:
        return self.label if self.is_short else handler(self)

    @property
    def own_code(self) -> tuple[str, ...]:
        """The import paths in it: what a user's own modules are needed for."""
        return tuple(one for one in (self.data, self.network, self.loss) if one is not None and is_own(one))

    @property
    def home(self) -> str | None:
        """Of an audited app where its modules lie, which stands for the process that imports them."""
        return None if self.bundle is None else self.folder

    @property
    def is_short(self) -> bool:
        """Whether it is a name alone, which stands for data and network."""
        return self.data is None

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or f"{_last_part(self.data)}-{_last_part(self.network)}"

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
