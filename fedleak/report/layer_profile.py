"""Layer profiles of one message under every defense, side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.evidence import defense_words
from fedleak.contracts.observation import Observation
from fedleak.formatting import counted, percent
from fedleak.processes.home import at_home
from fedleak.profile.layers import Layer, layers_of, rank_limit
from fedleak.recording.task_table import home_of
from fedleak.report.pictures import Files, message_words
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder

LAYERS = 12
"""Layers shown; of deeper networks those with the most energy, the others in one line."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One layer under one defense."""

    energy: str
    width: float
    """Of its bar, in percent."""
    rank: str
    beyond: bool
    """Whether the rank is above the number of examples: something was added that is no example's."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A table: a line for each layer, a column for each defense."""

    message: str
    columns: tuple[str, ...]
    limits: tuple[str, ...]
    """Examples behind each column's update."""
    lines: tuple[tuple[str, str, tuple[Share | None, ...]], ...]
    """Layer, shape of its weight, and a share for each column."""
    masked: tuple[str, ...]
    """Defenses under which the message has no profile."""


def layer_profile(files: Files, rows: Sequence[Row]) -> Profile | None:
    """The profile of the first message that was recorded, under every defense; None where none can be read."""
    home = home_of(files.folder.recording(rows[0])) if rows else None
    return at_home(home, _layer_profile, files.folder, rows)


def _layer_profile(folder: RunFolder, rows: Sequence[Row]) -> Profile | None:
    observed, masked = _observations(Files(folder), rows)
    if not observed:
        return None
    layers = {title: layers_of(observation) for title, observation in observed.items()}
    first = next(iter(layers.values()))
    kept = _kept(first)
    names = [layer for layer in first if layer.name in kept]
    lines = [(layer.name, _shape(layer), _shares(layer.name, layers, observed)) for layer in names]
    rest = [layer for layer in first if layer.name not in kept]
    if rest:
        others = tuple(_together(own, kept) for own in layers.values())
        lines.append((f"{len(rest)} other layers", "", others))
    limits = (rank_limit(observation) for observation in observed.values())
    return Profile(
        message=f"{rows[0].task}, {message_words(rows[0])}",
        columns=tuple(observed),
        limits=tuple("number of examples unknown" if limit is None else counted(limit, "example") for limit in limits),
        lines=tuple(lines),
        masked=tuple(masked),
    )


def _observations(files: Files, rows: Sequence[Row]) -> tuple[dict[str, Observation], list[str]]:
    observations: dict[str, Observation] = {}
    masked: list[str] = []
    for row in rows:
        same = (row.task, row.setting, row.seed, row.round) == (
            rows[0].task, rows[0].setting, rows[0].seed, rows[0].round,
        )  # fmt: skip
        title = defense_words(row.defense, row.client)
        if not same or row.client not in (rows[0].client, AGGREGATE) or title in observations or title in masked:
            continue
        observation = files.observation(row)
        if observation is None:
            continue  # a client that failed under this defense sent nothing to look at
        if observation.masked:
            masked.append(title)
        else:
            observations[title] = observation
    return observations, masked


def _shape(layer: Layer) -> str:
    return "\N{MULTIPLICATION SIGN}".join(map(str, layer.shape))


def _kept(layers: Sequence[Layer]) -> set[str]:
    if len(layers) <= LAYERS:
        return {layer.name for layer in layers}
    order = sorted(layers, key=lambda layer: -layer.energy if not math.isnan(layer.energy) else 0.0)
    return {layer.name for layer in order[: LAYERS - 1]}


def _shares(
    name: str, layers: Mapping[str, Sequence[Layer]], observed: Mapping[str, Observation]
) -> tuple[Share | None, ...]:
    return tuple(
        next((_share(layer, rank_limit(observed[title])) for layer in own if layer.name == name), None)
        for title, own in layers.items()
    )


def _share(layer: Layer, limit: int | None) -> Share:
    return Share(
        energy=percent(layer.energy),
        width=0.0 if math.isnan(layer.energy) else round(100 * layer.energy, 1),
        rank="" if layer.rank is None else f"rank {layer.rank} of {layer.full}",
        beyond=layer.rank is not None and limit is not None and layer.rank > limit,
    )


def _together(layers: Sequence[Layer], kept: set[str]) -> Share:
    energy = sum(layer.energy for layer in layers if layer.name not in kept)
    return Share(energy=percent(energy), width=round(100 * energy, 1), rank="", beyond=False)
