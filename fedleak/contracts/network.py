"""Networks by address: an architecture of ours, of torchvision or timm, or a class or function of the user's."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from fedleak.contracts.foreign import arguments_for, parameters_of
from fedleak.contracts.imports import imported
from fedleak.contracts.model import models, require_loss
from fedleak.errors import ConfigError, DataError, did_you_mean, echo, first_line
from fedleak.learning.facts import Mode
from fedleak.learning.layers import normalize_inputs
from fedleak.learning.networks import materialize, require_one_mode, tried, unwrapped
from fedleak.learning.source import Source
from fedleak.learning.space import space_of_source
from fedleak.settings.base import Table
from fedleak.settings.task import TaskSettings, is_own

PLACE = "task.network"
BINARY = "binary-cross-entropy"
MODES: tuple[Mode, ...] = ("train", "eval")
Builder = Callable[[str, Table, Source], nn.Module]


def network_of(settings: TaskSettings, source: Source) -> nn.Module:
    """The untrained network that a table describes, normalized and frozen as it says; torch initializes it.

    Raises `ConfigError` where it cannot be built, does not run on an example, or tells another number of classes apart.
    """
    address = settings.network or ""
    kind, colon, name = address.partition(":")
    if not colon:
        model = models.build(address, settings.options, PLACE)
        require_loss(model, source, settings.loss)
        network = model.on(source)
    elif kind in LIBRARIES:
        network = LIBRARIES[kind](name, settings.options, source)
    else:
        network = _of_the_user(address, settings, source)
    network = unwrapped(network, PLACE, address)
    if settings.normalize is not None:
        _normalize(network, settings, source)
    require_scores(network, address, source, outputs_allowed(settings, source))
    _freeze(network, settings.freeze)
    return network


def outputs_allowed(settings: TaskSettings, source: Source) -> tuple[int, ...]:
    """How many outputs a network may have: one a class, or of two a single logit where the loss takes that."""
    takes = settings.loss == BINARY or is_own(settings.loss)
    single = source.classes == 2 and takes and not source.several_labels
    return (1, source.classes) if single else (source.classes,)


def require_scores(network: nn.Module, what: str, source: Source, allowed: tuple[int, ...]) -> int:
    """How many scores the network makes of each example, in either mode; raises `ConfigError` unless that is allowed.

    Lazy layers get their shapes from it, and fresh weights.
    """
    require_one_mode(network, PLACE, "call self.train() at the end of its __init__")
    space = space_of_source(source)
    examples = torch.full((2, *space.shape), space.middle)
    materialize(network, examples, PLACE, what)
    for mode in MODES:
        outputs = tried(network, examples, mode, PLACE, what)
        count = 1 if outputs.shape == (2,) else outputs.shape[1] if outputs.dim() == 2 else 0
        if count not in allowed:
            single = (
                f'; a single logit for two classes goes with loss = "{BINARY}"'
                if count == 1 and source.classes == 2 and not source.several_labels
                else ""
            )
            raise ConfigError(
                f"{PLACE}: expected {what} to return {source.classes} scores of each example, as the data have "
                f"{source.classes} classes, got shape {tuple(outputs.shape[1:])} of each; give it as many outputs "
                f"(task.options), or say how many classes there are (task.classes){single}"
            )
    if found := [name for name, value in network.state_dict().items() if value.dtype is torch.bfloat16]:
        raise ConfigError(
            f"{PLACE}: '{found[0]}' of {what} is in bfloat16, which Flower's arrays lack; take float16 or float32"
        )
    return count


# Where networks come from.


def _of_torchvision(name: str, options: Table, source: Source) -> nn.Module:
    from torchvision import models as catalogue

    names = catalogue.list_models(module=catalogue)
    if name not in names:
        raise ConfigError(f"{PLACE}: torchvision has no network called '{name}'{_nearest(name, names)}")
    own = {key: value for key, value in options.items() if key != "weights"}
    network: nn.Module = _built(
        catalogue.get_model_builder(name), {"num_classes": source.classes, **own}, f"torchvision:{name}"
    )
    if "weights" in options:
        _load_pretrained(network, name, options["weights"])
    return network


def _load_pretrained(network: nn.Module, name: str, weights: Any) -> None:
    """Loads torchvision's own weights from its cache or the network; layers of another size, as the head, stay new."""
    from torchvision.models import get_model_weights

    known = get_model_weights(name)
    if weights not in ("DEFAULT", *known.__members__):
        near = did_you_mean(str(weights), known.__members__)
        raise ConfigError(f"task.options.weights: {name} has no weights called {echo(weights)}{near}")
    try:
        state = known[weights].get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"task.options.weights: cannot load {name}'s {weights} ({first_line(error)}); put the file into torch's "
            f"cache ({torch.hub.get_dir()}/checkpoints), or leave weights out"
        ) from error
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and value.shape == own[key].shape}
    network.load_state_dict(fitting, strict=False)


def _of_timm(name: str, options: Table, source: Source) -> nn.Module:
    if find_spec("timm") is None:
        raise ConfigError(f"{PLACE}: timm:{name} needs the package timm, which is not installed; pip install timm")
    timm = import_module("timm")
    if name not in timm.list_models():
        raise ConfigError(f"{PLACE}: timm has no network called '{name}'{_nearest(name, timm.list_models())}")
    ours = {"num_classes": source.classes, "in_chans": source.shape[0]}
    network: nn.Module = _built(lambda **given: timm.create_model(name, **given), {**ours, **options}, f"timm:{name}")
    return network


LIBRARIES: dict[str, Builder] = {"torchvision": _of_torchvision, "timm": _of_timm}


def _of_the_user(address: str, settings: TaskSettings, source: Source) -> nn.Module:
    found = imported(address, settings.folder, PLACE)
    if not callable(found) or isinstance(found, nn.Module):
        raise ConfigError(
            f"{PLACE}: expected {address} as a class or function that makes a network, got {type(found).__name__}"
        )
    ours = {
        "shape": source.shape,
        "classes": source.classes,
        "num_classes": source.classes,
        "in_channels": source.shape[0],
    }
    arguments = arguments_for(found, settings.options, ours, "task.options", as_it_is)
    missing = [
        name
        for name, one in parameters_of(found).items()
        if one.default is one.empty and name not in arguments and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if missing:
        raise ConfigError(
            f"{PLACE}: {address} needs {', '.join(missing)}; give it in task.options, as in {{{missing[0]} = 1}}"
        )
    network = _built(found, arguments, address)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{PLACE}: expected a torch.nn.Module from {address}, got {type(network).__name__}")
    return network


def as_it_is(value: Any, annotation: Any, place: str) -> Any:  # noqa: ARG001
    """An option as a file has it: what a user's annotation means is the user's business."""
    return value


def _built(builder: Callable[..., Any], arguments: Table, what: str) -> Any:
    try:
        return builder(**arguments)
    except Exception as error:  # it is other people's code, and raises whatever it likes
        raise ConfigError(
            f"{PLACE}: {what} cannot be made with {_words(arguments)}: {type(error).__name__}: {first_line(error)}"
        ) from error


def _words(arguments: Table) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no options"


def _nearest(name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names)
    return hint if hint.startswith("; did") else f"; there are {len(names)}, such as {', '.join(names[:3])}"


# What is done to a network.


def _normalize(network: nn.Module, settings: TaskSettings, source: Source) -> None:
    assert settings.normalize is not None
    mean, std = settings.normalize.mean, settings.normalize.std
    if len(mean) not in (1, source.shape[0]):
        raise ConfigError(f"task.normalize: expected a mean for each of {source.shape[0]} channels, got {len(mean)}")
    normalize_inputs(network, mean, std)


def _freeze(network: nn.Module, patterns: tuple[str, ...]) -> None:
    """Parameters whose name, or that of a module around them, fits a pattern take no gradient."""
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        matched = [name for name in names if any(fnmatchcase(part, pattern) for part in _prefixes(name))]
        if not matched:
            known = dict.fromkeys(part for name in names for part in _prefixes(name))
            raise ConfigError(f"task.freeze: '{pattern}' fits no parameter{_nearest(pattern, list(known))}")
        for name in matched:
            network.get_parameter(name).requires_grad_(False)
    if not any(one.requires_grad for one in network.parameters()):
        what = "every parameter frozen" if patterns else "a network without a parameter that takes a gradient"
        raise ConfigError(f"{PLACE}: expected something to train, got {what}")


def _prefixes(name: str) -> list[str]:
    """`a.b.weight`, and the modules `a.b` and `a` that it is in."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
