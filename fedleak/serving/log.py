"""Query log: all that a service was asked, what its model said of it, and what was answered."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from fedleak.contracts.private_inference import Cost, PrivateRecord
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
    private: PrivateRecord | None = None
    """What it took where the operator saw none of this, but ciphertexts or shares."""

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

    def replayed(self, benign: Float[Tensor, "benign *shape"], days: float = 0.0, *, after: int = 0) -> Asked:
        """All but the first `after` queries as one request of a user whom those were answered: what detectors are
        tried on."""
        before, inputs = self[:after], self.inputs[after:]
        past = Traffic(
            inputs=before.inputs, probabilities=before.probabilities, admitted=torch.ones(after, dtype=torch.bool)
        )
        return Asked(inputs=inputs, probabilities=self.probabilities[after:], history=past, benign=benign, days=days)


def write_log(stem: Path, log: QueryLog) -> Path:
    """Writes the pair of files of that stem; returns the path of the JSON file, which has the numbers alone."""
    facts: dict[str, Any] = {"format": FORMAT, "queries": len(log), "refused": int(log.refused.sum())}
    if log.private is not None:
        facts["private"] = asdict(log.private)
    return write_pair(stem, {name: getattr(log, name) for name in TENSORS}, facts)


def read_log(stem: Path) -> QueryLog:
    """Reads a log back, by its stem or either file; raises `RecordingError` where it is truncated or none."""
    tensors, facts = read_pair(stem)
    if facts.get("format") != FORMAT or set(tensors) != set(TENSORS):
        raise RecordingError(f"{stem}: expected a query log of format {FORMAT}, got {facts.get('format')!r}")
    if any(len(value) != facts.get("queries") for value in tensors.values()):
        raise RecordingError(f"{stem}: expected {facts.get('queries')} queries in each tensor, got others; ask again")
    return QueryLog(**tensors, private=_private(facts, stem))


def _private(facts: dict[str, Any], stem: Path) -> PrivateRecord | None:
    if "private" not in facts:
        return None
    try:
        return PrivateRecord(defense=str(facts["private"]["defense"]), cost=Cost(**facts["private"]["cost"]))
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{stem}: expected what private answers took, got others; ask again") from error
