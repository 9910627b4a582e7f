"""Exact secret: whether the first guess is the secret."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.secrets import Rank, SecretMetric


@metrics.register("exact-secret")
@dataclass(frozen=True, kw_only=True)
class ExactSecret(SecretMetric):
    """1 where the candidate that is ranked first is the secret, else 0; a share where several are ranked first.

    By chance one in |R|.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    unit: ClassVar = "share of secrets"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0

    def of_rank(self, rank: Rank) -> float:
        return 0.0 if rank.ahead else 1 / (1 + rank.alike)
