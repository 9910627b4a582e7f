"""Query log: all that a service was asked, what its model said of it, and what was answered."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from fedleak.contracts.traffic import Asked, Traffic
from fedleak.errors import RecordingError
from fedleak.io.tensors import read_pair, write_pair

FORMAT = "fedleak-queries-1"
TENSORS = ("inputs", "probabilities", "answers")


@dataclass(frozen=True, kw_only=True)
class QueryLog:
    """Queries in the order in which they came, a row each; what came after the budget was used up is no query."""

    inputs: Float[Tensor, "asked *shape"]
    """As the model got them, clamped to the range."""
    probabilities: Float[Tensor, "asked classes"]
    """What the model says of them, whatever was answered."""
    answers: Float[Tensor, "asked classes"]
    """What the user got; a row of NaN was refused."""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def refused(self) -> Bool[Tensor, " asked"]:
        """Which rows were refused."""
        return self.answers.isnan().any(1)

    def __getitem__(self, places: slice | Int64[Tensor, " chosen"]) -> "QueryLog":
        """Some of the queries, as if nothing else had been asked."""
        return QueryLog(
            inputs=self.inputs[places], probabilities=self.probabilities[places], answers=self.answers[places]
        )

    def replayed(self, benign: Float[Tensor, "benign *shape"], days: float = 0.0) -> Asked:
        """All of it as one request of a user who asked nothing before: what detectors are tried on."""
        nothing = Traffic(
            inputs=self.inputs[:0], probabilities=self.probabilities[:0], admitted=torch.ones(0, dtype=torch.bool)
        )
        return Asked(inputs=self.inputs, probabilities=self.probabilities, history=nothing, benign=benign, days=days)


def write_log(stem: Path, log: QueryLog) -> Path:
    """Writes the pair of files of that stem; returns the path of the JSON file, which has the numbers alone."""
    facts = {"format": FORMAT, "queries": len(log), "refused": int(log.refused.sum())}
    return write_pair(stem, {name: getattr(log, name) for name in TENSORS}, facts)


def read_log(stem: Path) -> QueryLog:
    """Reads a log back, by its stem or either file; raises `RecordingError` where it is truncated or none."""
    tensors, facts = read_pair(stem)
    if facts.get("format") != FORMAT or set(tensors) != set(TENSORS):
        raise RecordingError(f"{stem}: expected a query log of format {FORMAT}, got {facts.get('format')!r}")
    if any(len(value) != facts.get("queries") for value in tensors.values()):
        raise RecordingError(f"{stem}: expected {facts.get('queries')} queries in each tensor, got others; ask again")
    return QueryLog(**tensors)
