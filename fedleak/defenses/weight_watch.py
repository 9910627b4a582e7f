"""Weight watch: figures of a received model's weights that crafted ones give away."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.defense import defenses
from fedleak.contracts.received import Received
from fedleak.defenses.parts.model_check import MOST_EXAMPLES, UNBOUNDED, Finding, ModelCheck, greatest, matrices
from fedleak.errors import ConfigError
from fedleak.formatting import listed
from fedleak.gradients.relu_activity import activity
from fedleak.learning.layers import batch_norms
from fedleak.settings.base import Amount, Share
from fedleak.settings.federation import FederationSettings

Figure = Literal["change", "alike", "scale", "dead", "alone"]
PARALLEL = 0.99
"""Cosine above which two rows are alike."""
MOST_ROWS = 1024
"""Of a matrix with more, evenly spaced ones are compared."""
FEWEST_COLUMNS = 4
"""Shorter rows are alike by chance."""
FEWEST_EXAMPLES = 8
"""With fewer, units that one example alone switches on say nothing."""
GREATEST_SCALE = 64.0
WORDS: Mapping[Figure, str] = {
    "change": "the weights of '{}' changed more since the last round than training changes them",
    "alike": "rows of '{}' are alike",
    "scale": "the weights of '{}' are of another size than an initialization has",
    "dead": "no example of the client switches on the units behind '{}'",
    "alone": "many units behind '{}' are switched on by one example of the client each",
}


@defenses.register("weight-watch")
@dataclass(frozen=True, kw_only=True)
class WeightWatch(ModelCheck):
    """Weight anomaly detection: looks for crafted weights in the received model before it trains.

    Five figures, each the greatest over layers: `change`, how much a weight matrix changed since the last model that
    raised no alarm, over its norm (and, where the learning rates of a round's steps add up to more than 1, over that);
    `alike`, the share of pairs of its rows that are nearly parallel; `scale`, how many powers of two its norm is from
    an initialization's; `dead`, the share of a ReLU layer's units that no example of the client switches on; `alone`,
    the share that exactly one does. The first round has no `change`, and batches below 8 no `alone`.

    By default no figure is above its threshold in 832 rounds of a client on which these were set: three tasks under
    plain averaging from fresh weights, batches of 1 to 64, even and skewed shares, up to 100 local steps at a rate of
    .1. That stands for a rate of false alarms below 1% there, and for nothing under adaptive server optimizers.
    """

    compares_rounds: ClassVar = True
    paper: ClassVar = "https://arxiv.org/abs/2506.20651"
    cites: ClassVar = "wang2025hear"
    by_examples: ClassVar[frozenset[str]] = frozenset({"dead", "alone"})
    looks_at: tuple[Figure, ...] = ("change", "alike", "scale", "dead", "alone")
    """The figures that raise alarms."""
    change: Amount = 0.5
    alike: Share = 0.05
    scale: Amount = 3.0
    dead: Share = 0.98
    alone: Share = 0.35

    def __post_init__(self) -> None:
        if not self.looks_at:
            raise ConfigError(f"looks_at: expected some of {', '.join(WORDS)}, got none")

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {name: getattr(self, name) for name in self.looks_at}

    def planned(self, phases: tuple[FederationSettings, ...]) -> "WeightWatch":
        """Without `change` in a run of one round, which has no earlier model."""
        if sum(phase.rounds for phase in phases) > 1:
            return self
        left = tuple(name for name in self.looks_at if name != "change")
        if not left:
            raise ConfigError(
                f"'{self.name}' looks at the change since the last round alone, and this run has one round and so no "
                f"earlier model; set federation.rounds = 2, or let it look at {', '.join(list(WORDS)[1:])} too"
            )
        return replace(self, looks_at=left)

    @property
    def outline(self) -> str:
        if "change" in self.looks_at:
            return ""
        return f"'{self.name}' goes by {listed(self.looks_at)}, and not by the change since an earlier model"

    def findings(self, received: Received) -> Mapping[str, Finding]:
        by_layer: dict[Figure, dict[str, float]] = {
            "change": dict(_changes(received)),
            "alike": {name: share for name, rows in matrices(received.weights).items() if (share := alike(rows)) >= 0},
            "scale": dict(_scales(received)),
            **_units(received),
        }
        return {name: greatest(found, WORDS[name]) for name, found in by_layer.items() if found}


def _changes(received: Received) -> Iterator[tuple[str, float]]:
    """By matrix, the change over the norm before; of long training over the sum of its steps' learning rates too."""
    if received.earlier is None:
        return
    pace = max(1.0, (received.training.learning_rate or 0.0) * (received.training.steps or 1))
    before = matrices(received.earlier)
    for name, now in matrices(received.weights).items():
        moved, norm = float((now - before[name]).norm()), float(before[name].norm())
        yield name, moved / norm / pace if norm else UNBOUNDED * (moved > 0)


def alike(rows: Float[Tensor, "rows columns"]) -> float:
    """The share of pairs of rows whose cosine is above `PARALLEL`; rows of zeros are alike. -1 where no pair counts."""
    count, columns = rows.shape
    if count < 2 or columns < FEWEST_COLUMNS:
        return -1.0
    rows = rows[:: -(-count // MOST_ROWS)].float()
    norms = rows.norm(dim=1, keepdim=True)
    zeros = int((norms == 0).sum())
    units = rows / norms.clamp(min=torch.finfo(rows.dtype).tiny)
    parallel = int((units @ units.T > PARALLEL).sum()) - (len(rows) - zeros)
    return (parallel + zeros * (zeros - 1)) / (len(rows) * (len(rows) - 1))


def _scales(received: Received) -> Iterator[tuple[str, float]]:
    """By matrix, how many powers of two its norm is from that of an initialization."""
    if received.fresh is None:
        return
    fresh = matrices(received.fresh)
    for name, now in matrices(received.weights).items():
        usual, norm = float(fresh[name].norm()), float(now.norm())
        if usual:
            yield name, min(abs(math.log2(norm / usual)), GREATEST_SCALE) if norm else GREATEST_SCALE


def _units(received: Received) -> dict[Figure, dict[str, float]]:
    """By layer, the shares of its ReLU units that no example switches on, and that one does."""
    inputs = received.examples.inputs[:MOST_EXAMPLES]
    # BatchNorm looks at the batch itself where it can; dropout would switch units off at random.
    trains = received.training.mode == "train" and len(inputs) > 1 and bool(batch_norms(received.task.network))
    active = activity(received.task, received.weights, inputs, "train" if trains else "eval")
    counts = {name: units.sum(0) for name, units in active.items()}
    shares = {many: {n: float((own == many).double().mean()) for n, own in counts.items()} for many in (0, 1)}
    return {"dead": shares[0], "alone": shares[1] if len(inputs) >= FEWEST_EXAMPLES else {}}
