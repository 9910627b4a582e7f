"""Data by address: what is public about a data set that a table names, ours, a library's or the user's."""

import json
from dataclasses import replace
from pathlib import Path

from fedleak.contracts.source import FILES, FOLDER_SHAPE, IMAGE_FOLDER, image_folder, in_files, sources
from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.learning.source import Shape, Source
from fedleak.settings.task import AUDITED, TaskSettings, is_own
from fedleak.tables import described as tables
from fedleak.texts import described as texts

OWN = "own"
"""The loader of what a user's function or data set gives."""


def source_of_table(settings: TaskSettings) -> Source:
    """What is public about the data that a table names; raises `ConfigError` for what it should say and does not."""
    data, size = settings.data or "", settings.size
    kind, colon, reference = data.partition(":")
    options = json.dumps(settings.data_options, sort_keys=True)
    if not colon:
        _require_known(data)
        return _fixed(sources[data], settings, options)
    shape = (3, size, size) if size is not None else settings.shape
    if kind == IMAGE_FOLDER:
        return _checked(image_folder(Path(reference).expanduser(), shape or FOLDER_SHAPE), settings)
    if kind in FILES:
        return _checked(described(in_files(kind, Path(reference).expanduser(), options)), settings)
    if shape is None or settings.classes is None:
        raise ConfigError(
            f"task: beside the data {echo(data)} expected a shape and a number of classes, which the server knows "
            "without them, as in shape = [3, 32, 32] and classes = 10"
        )
    if settings.several_labels and settings.classes < 2:
        raise ConfigError(
            f"task.several_labels: expected two labels or more, got classes = {settings.classes}; one label that is "
            "there or not is classes = 2 with a single logit"
        )
    if data == AUDITED:
        return _audited(settings, shape, settings.classes)
    own = is_own(data)
    return Source(
        data,
        shape,
        settings.classes,
        f"the user's own, {data}" if own else f"{reference} of {kind}",
        Path(settings.folder) if own and settings.folder else None,
        loader=OWN if own else kind,
        reference=data if own else reference,
        options=options,
        several_labels=settings.several_labels,
    )


def _audited(settings: TaskSettings, shape: Shape, classes: int) -> Source:
    """The images of a bundle, which is found again by what is in it."""
    if settings.bundle is None or settings.folder is None:
        raise ConfigError(f'task.data: {AUDITED} are those of an audited app; say task = "app:FOLDER" with its audit')
    what = "what clients of an audited app trained on"
    folder, kind = Path(settings.folder), AUDITED.partition(":")[0]
    return Source(AUDITED, shape, classes, what, folder, loader=kind, reference=settings.bundle)


def _require_known(name: str) -> None:
    if name not in sources:
        known = (
            *sources,
            "image-folder:PATH",
            *(f"{kind}:PATH" for kind in FILES),
            "torchvision:NAME",
            "huggingface:NAME",
            "MODULE:NAME",
        )
        raise ConfigError(f"task.data: no data set is called '{name}'{did_you_mean(name, known)}")


def described(source: Source) -> Source:
    """The source with what is public of it, which of a table or a text stands in it; any other as it is."""
    return texts.described(tables.described(source))


def _fixed(source: Source, settings: TaskSettings, options: str) -> Source:
    """A data set of ours or of a plug-in, which has a shape of its own."""
    if source.name in texts.READERS and settings.size is None:
        return _checked(described(replace(source, options=options)), settings)
    source = described(source)
    if settings.size is not None or settings.data_options:
        what = "size" if settings.size is not None else "data_options"
        raise ConfigError(f"task.{what}: '{source.name}' is {source.shape} and takes none; leave it out")
    return _checked(source, settings)


def _checked(source: Source, settings: TaskSettings) -> Source:
    """The source, where what a table says beside it is so."""
    if settings.shape not in (None, source.shape):
        raise ConfigError(f"task.shape: '{source.name}' is {source.shape}, got {settings.shape}; leave it out")
    if settings.several_labels and not source.several_labels:
        raise ConfigError(
            f"task.several_labels: each example of '{source.name}' has one label; leave it out, or give other data"
        )
    if settings.classes not in (None, source.classes):
        raise ConfigError(f"task.classes: '{source.name}' has {source.classes}, got {settings.classes}; leave it out")
    return source
