"""Checkpoint loading: weights from a file that somebody else's training wrote."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fedleak.errors import DataError
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights

WRAPPERS = ("state_dict", "model")
"""Keys that training scripts commonly keep a model's weights under, beside the optimizer's."""


def load_checkpoint(task: Task, path: Path) -> Weights:
    """A torch or safetensors `state_dict` of the task's network, also below "state_dict" or "model".

    Nothing in the file is run (torch's `weights_only`). Raises `DataError` where the file is missing, unreadable or of
    another network, and `NonFiniteError` where a weight is NaN or infinite.
    """
    state = _unwrap(_read(path), path)
    _check(state, task.network.state_dict(), path)
    weights = task.split(state)
    weights.require_finite(f"checkpoint {path}")
    return weights.clone()


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"checkpoint: expected a torch or safetensors file, there is none at {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise DataError(
            f"checkpoint: {path} is truncated or holds more than tensors ({_first_line(error)}); "
            "save it with torch.save(model.state_dict(), ...)"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(". ")


def _unwrap(content: Any, path: Path) -> NamedTensors:
    while isinstance(content, dict) and (inside := [key for key in WRAPPERS if isinstance(content.get(key), dict)]):
        content = content[inside[0]]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DataError(
            f"checkpoint: expected tensors by name in {path}, got {_describe(content)}; "
            "save it with torch.save(model.state_dict(), ...)"
        )
    return content


def _describe(content: Any) -> str:
    if not isinstance(content, dict):
        return type(content).__name__
    others = [f"{key!r}: {type(value).__name__}" for key, value in content.items() if not isinstance(value, Tensor)]
    return f"{{{_some(others)}}}"


def _check(state: NamedTensors, own: NamedTensors, path: Path) -> None:
    """Raises `DataError` where names or shapes are not the network's own."""
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    if missing or unexpected:
        complaints = [f"{_some(missing)} missing"] * bool(missing) + [f"{_some(unexpected)} unexpected"] * bool(
            unexpected
        )
        raise DataError(
            f"checkpoint: {path} is of another network, {' and '.join(complaints)}; choose the task it is of"
        )
    for name, value in own.items():
        if state[name].shape != value.shape:
            raise DataError(
                f"checkpoint: expected '{name}' of shape {tuple(value.shape)}, got {tuple(state[name].shape)} "
                f"in {path}; choose the task it is of"
            )


def _some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
