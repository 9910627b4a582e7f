"""Profile table: the layers of an update, what goes for all of it, and the verdict, on the terminal."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.formatting import figure
from fedleak.learning.update import Meaning
from fedleak.profile.findings import UNBIASED, Finding
from fedleak.profile.layers import LayerProfile
from fedleak.profile.profile import Inside, Profile

LAYERS = 12
"""Layers shown; of deeper networks those with the most energy, the others in one line."""
STYLES = {"reachable": "bold red", "partly reachable": "yellow", "not known to be reachable": "dim"}
LOCAL = (
    "Jacobian and Fisher information are local: they tell what separates images near the truth, not how hard it is to "
    "find"
)
DEFENDER = "the defender's view: it looks at the client's examples, which no attack may"


def layer_table(profile: Profile) -> Table:
    """A line for each layer with weights; a column for each indicator that applies somewhere."""
    weighted = [layer for layer in profile.layers if len(layer.shape) > 1]
    kept = sorted(weighted, key=lambda layer: -_or_zero(layer.energy))[:LAYERS]
    shown = [layer for layer in weighted if layer in kept]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    table.add_column("weight", no_wrap=True)
    columns = [(name, cell) for name, cell in _COLUMNS if any(cell(layer, profile) for layer in shown)]
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for layer in shown:
        seeing = " *" if layer.sees_pixels else ""
        table.add_row(f"{layer.name}{seeing}", _weight(layer), *(cell(layer, profile) for _, cell in columns))
    rest = [layer for layer in profile.layers if layer not in shown]
    if rest:
        others = f"{len(rest)} others"
        share = _percent(math.fsum(_or_zero(layer.energy) for layer in rest))
        table.add_row(Text(others, style="dim"), "", Text(share, style="dim"), *[""] * (len(columns) - 1))
    return table


def facts_table(profile: Profile) -> Table:
    """What goes for the whole update."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in _facts(profile):
        table.add_row(name, words)
    return table


def verdict_table(findings: Sequence[Finding]) -> Table:
    """The sentences, each with its state."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=12)  # "not known to" on one line, "be reachable" on the next
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.state, style=STYLES[finding.state]), Text(finding.words))
    return table


def notes(profile: Profile) -> Iterator[str]:
    """What must be known to read the figures right."""
    if any(layer.sees_pixels for layer in profile.layers):
        yield "* sees the pixels; every other layer's figures are about features"
    if profile.meaning is Meaning.SIGNS:
        yield f"the update is {profile.meaning}: ranks are of those, and what they carry of the images is not computed"
    if profile.inside is not None:
        yield DEFENDER
        yield LOCAL
        if profile.steps != 1:
            yield "of several local steps Jacobian and Fisher information are those of the mean gradient at the first"
        if profile.cohort > 1:
            yield f"an aggregate of {profile.cohort} clients: Jacobian and Fisher information as of one batch of all"


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    inside = profile.inside
    if inside is not None:
        yield from _inside(inside)
    leak = profile.batch_norm
    if leak.leak != "none":
        steps = "" if leak.steps is None else f"; local steps counted: {leak.steps}"
        yield "BatchNorm", f"{leak.leak}: {leak.numbers:,} statistics of {leak.layers} layers came back{steps}"


def _inside(inside: Inside) -> Iterator[tuple[str, str]]:
    spectrum, floor = inside.spectrum, inside.floor
    at_most = "at most " if spectrum.method == "quadrature" and spectrum.smallest else ""
    at_least = "at least " if at_most else ""
    yield (
        "Jacobian",
        (
            f"{spectrum.entries:,} gradient entries by {spectrum.directions:,} pixels; singular values: largest "
            f"{spectrum.largest:.2g}, median {spectrum.median:.2g}, smallest {at_most}{spectrum.smallest:.2g}; "
            f"condition {at_least}{_condition(spectrum.condition)}"
        ),
    )
    low, about, high = inside.carried
    bounds = "" if low == high else f", between {low:,} and {high:,}"
    yield "carried", f"{about:,} of {spectrum.directions:,} directions{bounds}"
    yield (
        "floor",
        (
            f"{_small(floor.total)} an entry (weights' rounding {_small(floor.rounding)}, client's "
            f"arithmetic {_small(floor.arithmetic)}, noise {_small(floor.noise)}); the gradient's norm is "
            f"{figure(inside.gradient)}"
        ),
    )
    if floor.total > 0:
        bounds_of_each = ", ".join(figure(bound) for bound in inside.fisher.bounds(floor.total)[:8])
        yield (
            "Fisher",
            (
                f"dFIL {_small(inside.fisher.leakage(floor.total))}: none beyond "
                f"{figure(inside.fisher.bound(floor.total))} dB (by example {bounds_of_each}), {UNBIASED}"
            ),
        )


def _weight(layer: LayerProfile) -> str:
    return f"{layer.kind} {'x'.join(map(str, layer.shape))}"


def _energy(layer: LayerProfile, _: Profile) -> str:
    return "-" if math.isnan(layer.energy) else _percent(layer.energy)


def _rank(layer: LayerProfile, profile: Profile) -> str:
    if layer.rank is None:
        return ""
    return f"{layer.rank} of {layer.full}" if profile.limit is None else f"{layer.rank} / {profile.limit}"


def _off(layer: LayerProfile, _: Profile) -> str:
    return "" if layer.sparsity is None else _percent(layer.sparsity)


def _alone(layer: LayerProfile, profile: Profile) -> str:
    return "" if layer.alone is None else f"{layer.alone} of {profile.examples}"


def _draws(layer: LayerProfile, _: Profile) -> str:
    if layer.draws is None:
        return ""
    return "never" if math.isinf(layer.draws) else f"{layer.draws:,.0f}" if layer.draws < 1e6 else _small(layer.draws)


_COLUMNS = [
    ("energy", _energy), ("rank /\nbatch", _rank), ("ReLUs\noff", _off), ("alone", _alone), ("SPEAR\ndraws", _draws),
]  # fmt: skip


def _condition(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:,.0f}"


def _small(value: float) -> str:
    if 0.01 <= value < 1000:
        return figure(value)
    return "?" if math.isnan(value) else "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _percent(share: float) -> str:
    return "< 1%" if 0 < share < 0.01 else f"{100 * share:.0f}%"


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
