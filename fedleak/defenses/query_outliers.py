"""Queries that are outliers among usual ones are refused."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from fedleak.contracts.defense import defenses
from fedleak.contracts.detector import Detector
from fedleak.contracts.traffic import Asked
from fedleak.defenses.parts.isolation import Forest, fitted
from fedleak.errors import ConfigError
from fedleak.settings.base import Count

FEWEST = 4


@defenses.register("query-outliers")
@dataclass(frozen=True, kw_only=True)
class QueryOutliers(Detector):
    """Refuses single queries that an isolation forest tells easily from those of users who mean no harm.

    The forest is grown on every second benign query, and the threshold is what a share `false_alarms` of the others is
    above; of fewer than one in that share, none is. Who is refused may ask on.
    """

    paper: ClassVar = "https://doi.org/10.1109/ICDM.2008.17"
    cites: ClassVar = "liu2008isolation"
    adaptive_strategy: ClassVar[str] = "asks mixtures of public examples, which look usual"
    judges: ClassVar[Literal["users", "queries"]] = "queries"
    false_alarms: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of usual queries that may be refused."""
    trees: Count = 100

    @property
    def caveat(self) -> str:
        return "it judges inputs one by one, and those that look usual pass however many they are"

    def score(self, asked: Asked) -> Float[Tensor, " asked"]:
        """How easily each input is told from benign ones, from 0 to 1."""
        return self._trained(asked)[0].score(asked.inputs)

    def admits(self, asked: Asked) -> Bool[Tensor, " asked"]:
        forest, threshold = self._trained(asked)
        return forest.score(asked.inputs) <= threshold

    def _trained(self, asked: Asked) -> tuple[Forest, float]:
        """The forest and the threshold, made once for a history."""
        if len(asked.benign) < FEWEST:
            raise ConfigError(
                f"'{self.name}' learns from usual queries what is none, and needs {FEWEST} or more of them, got "
                f"{len(asked.benign)}; give the service benign inputs"
            )
        known = asked.history.derived.get(self)
        if known is None or known[0] is not asked.benign:
            forest = fitted(asked.benign[::2], self.trees)
            usual = forest.score(asked.benign[1::2])
            threshold = torch.quantile(usual, 1 - self.false_alarms, interpolation="higher")
            known = asked.history.derived[self] = (asked.benign, forest, float(threshold))
        return known[1], known[2]
