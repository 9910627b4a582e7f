"""Checkpoint loading: weights from files that somebody else's training wrote, each checked against its network."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from fedleak.errors import DataError, first_line
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights, names_of

WRAPPERS = ("state_dict", "model", "model_state_dict", "module_state_dict")
"""Keys that training scripts commonly keep a model's weights under, beside the optimizer's."""
WRAPPED = ("module", "_module", "_orig_mod")
"""What torch's DataParallel, Opacus' GradSampleModule and torch.compile put before the names of what they wrap."""
SAVE_AGAIN = "save it with torch.save(model.state_dict(), ...)"


def load_checkpoint(task: Task, path: Path, hardened: Task | None = None) -> Weights:
    """A torch, safetensors or numpy `state_dict` of the network, also of a wrapped one, also below "state_dict".

    It may also be of the network that defenses make of it, `hardened`, whose weights are returned then. Nothing in the
    file is run (torch's `weights_only`). Raises `DataError` where the file is missing, unreadable or of another
    network, and `NonFiniteError` where a weight is NaN or infinite.
    """
    content = read_state(path)
    return fitted(content, task if hardened is None or _mismatch(content, hardened) else hardened, str(path))


def fitted(content: NamedTensors, task: Task, where: str) -> Weights:
    """Tensors that somebody else named as weights of a task's network; raises as `load_checkpoint` does."""
    if mismatch := _mismatch(content, task):
        raise DataError(f"checkpoint: {where} is of another network, {mismatch}; choose the task it is of")
    names = names_of(task.network)
    state = bare(content, names)
    own = Weights.of(task.network).clone().state_dict()
    _check(state, names, own, where)
    weights = task.split({**own, **{names[name]: value for name, value in state.items()}})
    weights.require_finite(f"checkpoint {where}", "take one of before its training diverged")
    return weights.clone()


def read_state(path: Path) -> NamedTensors:
    """The tensors in a file by their names there; those of a list by their numbers. Raises `DataError`."""
    content = _read(path)
    if isinstance(content, list | tuple):
        content = {str(place): value for place, value in enumerate(content)}
    return _unwrap(content, path)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"checkpoint: expected a torch, safetensors or numpy file, there is none at {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        # What torch warns of are kinds of tensors that are refused below.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever it comes across in a damaged file
        raise DataError(
            f"checkpoint: {path} is truncated or holds more than tensors ({first_line(error)}); {SAVE_AGAIN}"
        ) from error


def _unwrap(content: Any, path: Path) -> NamedTensors:
    for _ in WRAPPERS:  # each once at most: a damaged file may hold itself
        inside = [content[key] for key in WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)]
        content = inside[0] if inside else content
    if not isinstance(content, dict) or not all(map(_is_named_tensor, content.items())):
        raise DataError(f"checkpoint: expected tensors by name in {path}, got {_describe(content)}; {SAVE_AGAIN}")
    return content


def _is_named_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def bare(state: NamedTensors, names: Collection[str]) -> NamedTensors:
    """The state under the names that the network has, however often and wherever it was wrapped when it was saved."""
    known = {_without_wrappers(name): name for name in names}
    bare = {name if name in names else known.get(_without_wrappers(name), name): state[name] for name in state}
    return bare if len(bare) == len(state) else state


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPED)


def _describe(content: Any) -> str:
    if not isinstance(content, dict):
        return type(content).__name__
    others = [f"{item[0]!r}: {type(item[1]).__name__}" for item in content.items() if not _is_named_tensor(item)]
    return f"{{{_some(others)}}}"


def _mismatch(content: NamedTensors, task: Task) -> str:
    """What a file lacks of the network and what it has besides; empty where it is of that network.

    A tied parameter needs one of its names, and a buffer that `state_dict` does not save none.
    """
    names = names_of(task.network)
    state = bare(content, names)
    given = {names[name] for name in state if name in names}
    needed = dict.fromkeys(names[name] for name in task.network.state_dict())
    missing = [name for name in needed if name not in given]
    unexpected = [name for name in state if name not in names]
    complaints = {"missing": missing, "unexpected": unexpected}
    return " and ".join(f"{_some(some)} {how}" for how, some in complaints.items() if some)


def _check(state: NamedTensors, names: Mapping[str, str], own: NamedTensors, where: str) -> None:
    """Raises `DataError` where a tensor is not one that the network can have."""
    for name, value in state.items():
        _check_one(name, value, own[names[name]], where)
    for name, value in state.items():
        if names[name] != name and not torch.equal(value, state.get(names[name], value)):
            raise DataError(
                f"checkpoint: '{name}' and '{names[name]}' are one parameter, and {where} has two values for it; "
                "choose the task it is of"
            )


def _check_one(name: str, value: Tensor, own: Tensor, where: str) -> None:
    if not _can_become(value, own.dtype):
        wanted, got = f"dense {own.dtype}", f"{value.dtype} ({value.layout}, on {value.device})"
        raise DataError(
            f"checkpoint: expected '{name}' as numbers that can become {wanted}, got {got} in {where}; {SAVE_AGAIN}"
        )
    if value.shape != own.shape:
        raise DataError(
            f"checkpoint: expected '{name}' of shape {tuple(own.shape)}, got {tuple(value.shape)} in {where}; "
            "choose the task it is of"
        )


def _can_become(value: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor has numbers of the kind; integers, such as counters, may have come through floating point."""
    if value.layout is not torch.strided or value.is_meta or value.is_nested or value.is_quantized:
        return False
    if value.is_complex() != dtype.is_complex or value.is_floating_point() < dtype.is_floating_point:
        return False
    try:
        converted = value.to(dtype)
        return dtype.is_floating_point or dtype.is_complex or torch.equal(converted.double(), value.double())
    except NotImplementedError:  # a type that names bits and no numbers
        return False


def _some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
