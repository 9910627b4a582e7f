"""Splitting: a network of layers, cut into one bottom for each party and a top, to fit the columns that each holds."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fedleak.errors import ConfigError, did_you_mean, echo, first_line
from fedleak.learning.images import Images
from fedleak.learning.input_space import InputSpace
from fedleak.learning.layers import BatchNorm
from fedleak.learning.source import Source
from fedleak.learning.space import space_of_source
from fedleak.learning.split import ACTIVE, SplitNetwork, SummedScores, joint
from fedleak.learning.table import Table
from fedleak.settings.columns import Split

PLACE = "federation.columns"
FEW = 2
"""Examples that a network is tried on."""


def split_network(network_on: Callable[[Source], nn.Module], source: Source, split: Split) -> SplitNetwork:
    """The joint network; `network_on` makes a network for data of a shape. Torch initializes it, bottoms first.

    Each bottom is the layers below the cut as they are on the party's own columns; the top is those above it, whose
    first one is made as wide as what all bottoms send. Raises `ConfigError` where columns or cut do not fit.
    """
    space = space_of_source(source)
    places = places_of(space, split)
    bottoms = [_layers(network_on(source_on(source, space, own)), split)[0] for own in places]
    whole = network_on(source)
    layers = _layers(whole, split)[1]
    examples = torch.full((FEW, *space.shape), space.middle, dtype=next(whole.parameters()).dtype)
    with torch.no_grad():
        try:
            sent = [bottom.eval()(examples[..., own]) for bottom, own in zip(bottoms, places, strict=True)]
            received = joint(sent)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"federation.cut: what the {len(bottoms)} bottoms send cannot be put side by side "
                f"({first_line(error)}); cut elsewhere, or share the columns out evenly"
            ) from error
    sizes = [tuple(one.shape[1:]) for one in sent]
    if not layers:
        return SplitNetwork(places, bottoms, SummedScores(len(bottoms)), sizes).train()
    return SplitNetwork(places, bottoms, _fitted(layers, received), sizes).train()


# Columns.


def places_of(space: InputSpace, split: Split) -> list[Int[Tensor, " own"]]:
    """Of each party, where its columns are along the last axis of an example; raises `ConfigError`."""
    columns = _columns(space)
    return [torch.cat([columns[name] for name in own]).sort().values for own in names_of(space, split)]


def names_of(space: InputSpace, split: Split) -> Sequence[Sequence[int | str]]:
    """Of each party the columns that it holds: of images by number, of a table by name; raises `ConfigError`."""
    if split.parties < 2:
        raise ConfigError(f"federation.clients: expected 2 parties or more to hold columns, got {split.parties}")
    columns = _columns(space)
    if isinstance(split.columns, str):
        return _strips(list(columns), split)
    if len(split.columns) != split.parties:
        raise ConfigError(
            f"{PLACE}: expected a list for each of federation.clients = {split.parties}, got {len(split.columns)}"
        )
    _require_each_once(columns, split.columns)
    return split.columns


def columns_of_others(space: InputSpace, split: Split | None) -> tuple[str, ...]:
    """The columns of a table that the active party does not hold; none where nothing is split, or images are."""
    if split is None:
        return ()
    others = names_of(space, split)[ACTIVE + 1 :]
    return tuple(name for own in others for name in own if isinstance(name, str))


def _columns(space: InputSpace) -> Mapping[int | str, Int[Tensor, " values"]]:
    """The columns by name, each with its places along the last axis."""
    if isinstance(space, Images):
        return {place: torch.tensor([place]) for place in range(space.width)}
    if isinstance(space, Table):
        return {one.name: space.mask([one.name]).nonzero()[:, 0] for one in space.columns}
    raise ConfigError(f"federation.partition: expected images or a table, which have columns, got {space.words}")


def _strips(names: list[int | str], split: Split) -> list[list[int | str]]:
    if split.columns == "halves" and split.parties != 2:
        raise ConfigError(f'{PLACE}: "halves" are for two clients, got {split.parties}; write "strips"')
    if len(names) < split.parties:
        raise ConfigError(f"federation.clients: {split.parties} parties cannot share out {len(names)} columns")
    ends = [len(names) * party // split.parties for party in range(split.parties + 1)]
    return [names[first:last] for first, last in pairwise(ends)]


def _require_each_once(columns: Mapping[int | str, Tensor], lists: Sequence[Sequence[int | str]]) -> None:
    owner: dict[int | str, int] = {}
    for party, own in enumerate(lists):
        if not own:
            raise ConfigError(f"{PLACE}.{party}: expected columns of client {party}, got none; name one at least")
        for name in own:
            if name not in columns:
                raise ConfigError(f"{PLACE}.{party}: the data have no column {echo(name)}{_nearest(name, columns)}")
            if name in owner:
                both = "twice" if owner[name] == party else f"and client {party}'s"
                raise ConfigError(f"{PLACE}: column {echo(name)} is client {owner[name]}'s {both}; name it once")
            owner[name] = party
    if left := [name for name in columns if name not in owner]:
        raise ConfigError(f"{PLACE}: nobody holds {', '.join(map(echo, left[:5]))}; give each column to one client")


def _nearest(name: int | str, columns: Mapping[int | str, Tensor]) -> str:
    if isinstance(name, str) and isinstance(next(iter(columns)), str):
        return did_you_mean(name, [str(one) for one in columns])
    return f"; there are {len(columns)}, from {next(iter(columns))} on"


def source_on(source: Source, space: InputSpace, own: Int[Tensor, " own"]) -> Source:
    """The data as one party has them."""
    if isinstance(space, Table):
        held = set(own.tolist())
        columns = tuple(one for one in space.columns if space.places(one.name).start in held)
        return replace(source, shape=(len(own),), space=json.dumps(replace(space, columns=columns).facts()))
    return replace(source, shape=(*source.shape[:-1], len(own)))


# Layers.


def _layers(network: nn.Module, split: Split) -> tuple[nn.Module, list[nn.Module]]:
    """The bottom, and the layers above the cut."""
    if type(network).forward is not nn.Sequential.forward or network._forward_hooks:
        raise ConfigError(
            f"federation.cut: expected a network that is a torch.nn.Sequential, whose layers follow one another, got "
            f"{_kind(network)}; choose another, such as mlp or convnet"
        )
    names, layers = list(network._modules), list(cast(nn.Sequential, network))  # children() leaves out repeated ones
    depth = len(layers) - 1 if split.cut is None else split.cut
    if isinstance(depth, str):
        if depth not in names:
            raise ConfigError(f"federation.cut: the network has no layer '{depth}'{did_you_mean(depth, names)}")
        depth = names.index(depth) + 1
    if not 0 < depth <= len(layers):
        kinds = ", ".join(f"{place} after {type(one).__name__}" for place, one in enumerate(layers, start=1))
        raise ConfigError(
            f"federation.cut: expected a cut within the {len(layers)} layers ({kinds}, where scores are summed), got "
            f"{_word(split)}"
        )
    if _weights_in(layers[:depth]) & _weights_in(layers[depth:]):
        raise ConfigError(
            f"federation.cut: layers on both sides of the cut ({_word(split)}) share weights, which no party holds "
            "alone; cut elsewhere, or choose another network"
        )
    bottom = nn.Sequential(*layers[:depth])
    for hook in network._forward_pre_hooks.values():  # the normalization of inputs
        bottom.register_forward_pre_hook(hook)
    return bottom, layers[depth:]


def _word(split: Split) -> str:
    return "none" if split.cut is None else echo(split.cut)


def _kind(network: nn.Module) -> str:
    of_its_own = f" with {'hooks' if network._forward_hooks else 'a forward'} of its own"
    return type(network).__name__ + (of_its_own if isinstance(network, nn.Sequential) else "")


def _weights_in(layers: Sequence[nn.Module]) -> set[int]:
    return {id(one) for layer in layers for one in layer.parameters()}


def _fitted(layers: Sequence[nn.Module], sent: Float[Tensor, "batch *sent"]) -> nn.Module:
    """The layers above the cut, those that are made for another size made anew for what arrives."""
    fitted: list[nn.Module] = []
    with torch.no_grad():
        for place, layer in enumerate(layers):
            fitted.append(_wide_enough(layer, sent))
            shared = _weights_in([layer]) & _weights_in([*layers[:place], *layers[place + 1 :]])
            if fitted[-1] is not layer and shared:
                raise ConfigError(
                    f"federation.cut: {type(layer).__name__} above the cut would have to be wider, and shares its "
                    "weights with another layer; cut elsewhere"
                )
            try:
                sent = fitted[-1].eval()(sent)
            except (RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"federation.cut: {type(layer).__name__} above the cut does not take what the bottoms send "
                    f"({first_line(error)}); cut elsewhere"
                ) from error
    return nn.Sequential(*fitted)


def _wide_enough(layer: nn.Module, sent: Tensor) -> nn.Module:
    """The layer, or one of its kind for what arrives: trained, and as precise, where the layer is."""
    wide = layer
    if type(layer) is nn.Linear and layer.in_features != sent.shape[-1]:
        wide = nn.Linear(sent.shape[-1], layer.out_features, bias=layer.bias is not None, dtype=sent.dtype)
    if isinstance(layer, BatchNorm) and layer.num_features != sent.shape[1]:
        options = layer.eps, layer.momentum, layer.affine, layer.track_running_stats
        wide = type(layer)(sent.shape[1], *options, dtype=sent.dtype)
    for name, one in layer.named_parameters() if wide is not layer else ():
        wide.get_parameter(name).requires_grad_(one.requires_grad)
    return wide
