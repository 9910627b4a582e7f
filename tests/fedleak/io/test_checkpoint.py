"""Weights from files: each way they can be right, and one sentence for each way they can be wrong."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.errors import DataError, NonFiniteError, UserError
from fedleak.federation.plan import FederationPlan
from fedleak.io.checkpoint import load_checkpoint
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors
from fedleak.server.app import _first_weights
from fedleak.settings.base import parse_settings
from fedleak.tasks import hardened, initial_weights, task_of

TASK = task_of("digits-mlp")


def state() -> NamedTensors:
    return initial_weights(TASK.name, 0).state_dict()


def equal(a: NamedTensors, b: NamedTensors) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "wrap", [dict, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": {"state_dict": s}}]
)
def test_a_torch_file_gives_the_weights_it_holds(wrap: Any, tmp_path: Path) -> None:
    torch.save(wrap(state()), tmp_path / "weights.pt")
    assert equal(load_checkpoint(TASK, tmp_path / "weights.pt").state_dict(), state())


def test_a_safetensors_file_gives_the_weights_it_holds(tmp_path: Path) -> None:
    safetensors.torch.save_file(state(), tmp_path / "weights.safetensors")
    assert equal(load_checkpoint(TASK, tmp_path / "weights.safetensors").state_dict(), state())


def test_half_precision_becomes_the_networks_own(tmp_path: Path) -> None:
    torch.save({name: value.half() for name, value in state().items()}, tmp_path / "half.pt")
    assert {v.dtype for v in load_checkpoint(TASK, tmp_path / "half.pt").state_dict().values()} == {torch.float32}


@pytest.mark.slow
def test_buffers_come_along(tmp_path: Path) -> None:
    task = task_of("photos-resnet18")
    weights = initial_weights(task.name, 0)
    weights.buffers["bn1.running_mean"] += 3
    torch.save(weights.state_dict(), tmp_path / "weights.pt")
    assert equal(load_checkpoint(task, tmp_path / "weights.pt").buffers, weights.buffers)


@pytest.mark.parametrize(
    "wrapped",
    ["module.{}", "_module.{}", "_orig_mod.{}", "module._orig_mod.{}", "_orig_mod._module.module.{}"],
)
def test_a_wrapped_model_gives_the_weights_of_what_is_wrapped(wrapped: str, tmp_path: Path) -> None:
    torch.save({wrapped.format(name): value for name, value in state().items()}, tmp_path / "weights.pt")
    assert equal(load_checkpoint(TASK, tmp_path / "weights.pt").state_dict(), state())


def test_a_layer_that_alone_is_wrapped_is_as_good(tmp_path: Path) -> None:
    saved = {name.replace(".", "._orig_mod.", 1): value for name, value in state().items()}
    torch.save(saved, tmp_path / "weights.pt")
    assert equal(load_checkpoint(TASK, tmp_path / "weights.pt").state_dict(), state())


HARDENED = ["group-norm", "precode", "dropout"]


@pytest.mark.parametrize("added", HARDENED)
@pytest.mark.parametrize("trained", ["before", "under"])
def test_under_a_defense_a_file_of_the_network_before_or_after_it_is_as_good(
    added: str, trained: str, tmp_path: Path
) -> None:
    """Layers that the defense adds and the file has not keep their first weights; all others are the file's."""
    chain, plain = Chain.build(({"use": added},)), task_of("photos-bn-convnet")
    task = hardened(plain.name, chain)
    initial = initial_weights(task.name, 0, chain).state_dict()
    saved = (
        initial_weights(plain.name, 1) if trained == "before" else initial_weights(task.name, 1, chain)
    ).state_dict()
    torch.save(saved, tmp_path / "weights.pt")
    model, defended = {"checkpoint": str(tmp_path / "weights.pt")}, {"chain": [{"use": added}], "defense": added}
    tree = {"task": plain.name, "model": model, "recordings": str(tmp_path), "vault": str(tmp_path), **defended}
    first = _first_weights(parse_settings(FederationPlan, tree)).state_dict()
    assert equal(first, {**initial, **{name: value for name, value in saved.items() if name in initial}})


def test_what_neither_network_has_is_missed_or_unexpected_in_the_one_of_the_task(tmp_path: Path) -> None:
    plain = task_of("photos-bn-convnet")
    task = hardened(plain.name, Chain.build(({"use": "group-norm"},)))
    saved = initial_weights(plain.name, 1).state_dict()
    first = next(iter(saved))
    torch.save({name: value for name, value in saved.items() if name != first} | {"x": saved[first]}, tmp_path / "w.pt")
    with pytest.raises(DataError, match=f"of another network, {first} missing and x unexpected; choose the task"):
        load_checkpoint(plain, tmp_path / "w.pt", task)


class Tied(nn.Module):
    """Two layers with one weight, and a constant that no file has."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)


TIED = Task("tied", Tied(), (1, 2, 2), 4)


@pytest.mark.parametrize("absent", [None, "a.weight", "b.weight"])
def test_a_tied_weight_is_loaded_from_any_of_its_names(absent: str | None, tmp_path: Path) -> None:
    saved = {name: value + 1 for name, value in TIED.network.state_dict().items() if name != absent}
    torch.save(saved, tmp_path / "weights.pt")
    loaded = load_checkpoint(TIED, tmp_path / "weights.pt")
    assert sorted(loaded.parameters) == ["a.bias", "a.weight", "b.bias"]
    assert torch.equal(loaded.parameters["a.weight"], TIED.network.get_parameter("a.weight") + 1)
    assert torch.equal(loaded.buffers["scale"], torch.full((1,), 2.0))


def test_a_tied_weight_with_two_values_is_refused(tmp_path: Path) -> None:
    saved = {**TIED.network.state_dict(), "b.weight": torch.zeros(4, 4)}
    torch.save(saved, tmp_path / "weights.pt")
    with pytest.raises(DataError, match="are one parameter"):
        load_checkpoint(TIED, tmp_path / "weights.pt")


def without(name: str) -> NamedTensors:
    return {key: value for key, value in state().items() if key != name}


FIRST = next(iter(state()))
SHAPE = tuple(state()[FIRST].shape)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (without(FIRST), f"is of another network, {FIRST} missing; choose the task it is of"),
        ({**state(), "more": torch.ones(1)}, "is of another network, more unexpected; choose the task it is of"),
        ({"a.w": torch.ones(1)}, "and a.w unexpected"),
        ({**state(), FIRST: torch.ones(2, 3)}, f"expected '{FIRST}' of shape {SHAPE}, got (2, 3) in"),
        ([1, 2], "expected tensors by name in"),
        ({"epoch": 3, "loss": 0.5}, "got {'epoch': int, 'loss': float}"),
        ({}, "is of another network"),
        ({1: torch.ones(1)}, "expected tensors by name in"),
        ({**state(), FIRST: state()[FIRST].to_sparse()}, f"expected '{FIRST}' as numbers that can become dense"),
        ({**state(), FIRST: state()[FIRST].to("meta")}, "got torch.float32 (torch.strided, on meta) in"),
        ({**state(), FIRST: state()[FIRST].int()}, "torch.float32, got torch.int32 (torch.strided, on cpu) in"),
        ({**state(), FIRST: state()[FIRST].bool()}, "got torch.bool"),
        ({**state(), FIRST: state()[FIRST].to(torch.complex64)}, "got torch.complex64"),
        ({**state(), FIRST: state()[FIRST].view(torch.uint8).view(torch.float4_e2m1fn_x2)}, "got torch.float4"),
    ],
)
def test_a_file_of_something_else_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(DataError) as caught:
        load_checkpoint(TASK, tmp_path / "weights.pt")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"no " * 99]
)
def test_a_damaged_file_is_refused(suffix: str, damage: Any, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(state(), path) if suffix == ".pt" else safetensors.torch.save_file(state(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="is truncated or holds more than tensors") as caught:
        load_checkpoint(TASK, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [TypeError, AttributeError, IndexError, AssertionError, MemoryError, OverflowError])
def test_whatever_the_unpickler_raises_is_one_sentence(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    torch.save(state(), tmp_path / "weights.pt")
    monkeypatch.setattr(torch, "load", failing)
    with pytest.raises(DataError, match=rf"is truncated or holds more than tensors \({error.__name__}\); save it"):
        load_checkpoint(TASK, tmp_path / "weights.pt")


def test_a_file_that_holds_itself_is_refused(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(DataError, match="expected tensors by name in"):
        load_checkpoint(TASK, tmp_path / "weights.pt")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_with_a_few_bytes_changed_is_read_or_refused(legacy: bool, tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "whole.pt", _use_new_zipfile_serialization=not legacy)
    whole, random = (tmp_path / "whole.pt").read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(0, 1500, 3):
            damaged[place] = random.integers(256)
        (tmp_path / "weights.pt").write_bytes(damaged)
        with suppress(UserError):
            load_checkpoint(TASK, tmp_path / "weights.pt")


COUNTED = Task("counted", nn.Sequential(nn.BatchNorm2d(1)), (1, 2, 2), 4)
COUNTER = "0.num_batches_tracked"


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.uint8, torch.float32, torch.float64, torch.float16])
def test_a_counter_may_have_come_through_another_type(kind: torch.dtype, tmp_path: Path) -> None:
    torch.save({**COUNTED.network.state_dict(), COUNTER: torch.tensor(100, dtype=kind)}, tmp_path / "weights.pt")
    counter = load_checkpoint(COUNTED, tmp_path / "weights.pt").buffers[COUNTER]
    assert (counter.dtype, int(counter)) == (torch.int64, 100)


@pytest.mark.parametrize("value", [2.5, float("nan"), float("inf"), 1j])
def test_a_counter_that_is_no_whole_number_is_refused(value: complex, tmp_path: Path) -> None:
    torch.save({**COUNTED.network.state_dict(), COUNTER: torch.tensor(value)}, tmp_path / "weights.pt")
    with pytest.raises(DataError, match=f"expected '{COUNTER}' as numbers that can become dense torch.int64"):
        load_checkpoint(COUNTED, tmp_path / "weights.pt")


class Anything:
    """What a pickle could run code through."""


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"w": Anything()}, tmp_path / "weights.pt")
    with pytest.raises(DataError, match="holds more than tensors"):
        load_checkpoint(TASK, tmp_path / "weights.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"there is none at {tmp_path}/weights.pt"):
        load_checkpoint(TASK, tmp_path / "weights.pt")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = state()
    broken[FIRST].view(-1)[0] = torch.nan
    torch.save(broken, tmp_path / "weights.pt")
    with pytest.raises(NonFiniteError, match=f"checkpoint .*: the model's '{FIRST}' is not finite"):
        load_checkpoint(TASK, tmp_path / "weights.pt")
