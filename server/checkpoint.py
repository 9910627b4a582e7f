"""Checkpoint loading: weights from a file that somebody else's training wrote."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fedleak.errors import DataError
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights, names_of
from fedleak.tasks import weights_of

WRAPPERS = ("state_dict", "model", "model_state_dict", "module_state_dict")
"""Keys that training scripts commonly keep a model's weights under, beside the optimizer's."""
WRAPPED = ("module", "_module", "_orig_mod")
"""What torch's DataParallel, Opacus' GradSampleModule and torch.compile put before the names of what they wrap."""


def load_checkpoint(task: Task, path: Path) -> Weights:
    """A torch or safetensors `state_dict` of the network, also of a wrapped one, also below "state_dict" or "model".

    Nothing in the file is run (torch's `weights_only`). Raises `DataError` where the file is missing, unreadable or of
    another network, and `NonFiniteError` where a weight is NaN or infinite.
    """
    names = names_of(task.network)
    state = _bare(_unwrap(_read(path), path), names)
    own = weights_of(task.network).state_dict()
    _check(state, names, own, task.network.state_dict().keys(), path)
    weights = task.split({**own, **{names[name]: value for name, value in state.items()}})
    weights.require_finite(f"checkpoint {path}", "take one of before its training diverged")
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


def _bare(state: NamedTensors, names: Collection[str]) -> NamedTensors:
    """The state under the names that the network has, however often and wherever it was wrapped when it was saved."""
    known = {_without_wrappers(name): name for name in names}
    bare = {name if name in names else known.get(_without_wrappers(name), name): state[name] for name in state}
    return bare if len(bare) == len(state) else state


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPED)


def _describe(content: Any) -> str:
    if not isinstance(content, dict):
        return type(content).__name__
    others = [f"{key!r}: {type(value).__name__}" for key, value in content.items() if not isinstance(value, Tensor)]
    return f"{{{_some(others)}}}"


def _check(
    state: NamedTensors, names: Mapping[str, str], own: NamedTensors, saved: Collection[str], path: Path
) -> None:
    """Raises `DataError` where names or shapes are not the network's own.

    A tied parameter needs one of its `names`, and a buffer that `state_dict` has not `saved` none.
    """
    given = {names[name] for name in state if name in names}
    missing = [name for name in own if name not in given and name in saved]
    unexpected = [name for name in state if name not in names]
    if missing or unexpected:
        complaints = [f"{_some(missing)} missing"] * bool(missing) + [f"{_some(unexpected)} unexpected"] * bool(
            unexpected
        )
        raise DataError(
            f"checkpoint: {path} is of another network, {' and '.join(complaints)}; choose the task it is of"
        )
    for name, value in state.items():
        if value.shape != own[names[name]].shape:
            raise DataError(
                f"checkpoint: expected '{name}' of shape {tuple(own[names[name]].shape)}, got {tuple(value.shape)} "
                f"in {path}; choose the task it is of"
            )
        if names[name] != name and not torch.equal(value, state.get(names[name], value)):
            raise DataError(
                f"checkpoint: '{name}' and '{names[name]}' are one parameter, and {path} has two values for it; "
                "choose the task it is of"
            )


def _some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
