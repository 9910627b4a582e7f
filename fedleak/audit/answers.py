"""Answers to what an audit asked: a small file of facts that no hook showed, taken at its author's word."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fedleak.errors import ConfigError, first_line
from fedleak.learning.facts import LocalTraining, Mode, OptimizerName
from fedleak.settings.base import Amount, Count, Rate, Settings, Table, parse_settings

Means = Annotated[tuple[float, ...], Field(strict=False, min_length=1)]


class Normalized(Settings):
    """`(x - mean) / std` of each channel, before the network."""

    mean: Means
    std: Means


class TrainingAnswer(Settings):
    """How a client trains in a round."""

    learning_rate: Rate
    batch_size: Count = 1
    batches: Count = 1
    epochs: Count = 1
    momentum: Amount = 0.0
    weight_decay: Amount = 0.0
    optimizer: OptimizerName = "sgd"
    gradient_clipping: Amount = 0.0
    mode: Mode = "train"

    def training(self) -> LocalTraining:
        """The same in the terms of attacks."""
        return LocalTraining(**self.model_dump())


class Answers(Settings):
    """What a `FACTS.toml` may say; each key is one that an audit asks for."""

    normalize: Normalized | None = None
    loss: Literal["cross-entropy", "binary-cross-entropy"] | None = None
    training: TrainingAnswer | None = None
    kept: Literal["known", "private"] | None = None
    """Whether the server has what stays with clients, as training begins."""

    @property
    def said(self) -> dict[str, str]:
        """What was said, in words."""
        known = self.model_dump(exclude_none=True)
        return {key: _words(value) for key, value in known.items()}


def read_answers(path: Path | None) -> Table:
    """The file's table, checked; empty without one. Raises `ConfigError`."""
    if path is None:
        return {}
    try:
        tree = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"--facts: {path}: {first_line(error)}") from error
    parse_settings(Answers, tree, "--facts")
    return tree


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(one)}" for key, one in value.items())
    if isinstance(value, tuple | list):
        return " ".join(f"{one:.5g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
