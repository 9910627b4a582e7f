"""Encrypted inference: the operator of a prediction API answers queries that it cannot read."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from fedleak.contracts.defense import defenses
from fedleak.contracts.private_inference import PrivateEvaluation
from fedleak.defenses.parts.ckks_network import EncryptedEvaluation, Ring, ring_for, tenseal
from fedleak.defenses.parts.network_steps import require_size, widths
from fedleak.defenses.parts.private_inference import PrivateInference
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights


@defenses.register("encrypted-inference")
@dataclass(frozen=True, kw_only=True)
class EncryptedInference(PrivateInference):
    """Answers encrypted queries with encrypted scores (CryptoNets, under CKKS), by a network of squares and sums.

    The user has the one secret key; the operator has the model in plain and computes on ciphertexts. The softmax is the
    user's. An activation is `linear * x + curvature * x**2`, in training too: squares alone (`linear = 0`), as in the
    paper, diverge at usual rates. Degree and modulus follow from the layers, for 128 bits of security.
    """

    paper: ClassVar = "https://proceedings.mlr.press/v48/gilad-bachrach16.html"
    cites: ClassVar = "giladbachrach2016cryptonets"
    adaptive_strategy: ClassVar[str] = "asks as if nothing were encrypted: who asks decrypts every confidence"
    scale_bits: Annotated[int, Field(ge=25, le=45)] = 35
    """Binary places of the scale that numbers are encoded at, at least, and bits of the prime that a product uses up.
    It takes as many as the least ring has room for."""

    @property
    def caveat(self) -> str:
        return (
            "it hides queries and answers from the operator and nothing from the user, who decrypts every confidence: "
            "an attack that asks gets what it would get without encryption, and the operator, who sees ciphertexts "
            f"alone, can refuse, round or detect nothing but count requests; {self.really}"
        )

    def require(self, task: Task) -> None:
        super().require(task)
        trained = self.transform_task(task)
        require_size(task, widths(trained, self.steps(trained)), self._ring(trained).slots - 1, self.name)

    def require_installed(self) -> None:
        if self.computed:
            tenseal(self.name)

    def evaluated(self, task: Task, weights: Weights) -> PrivateEvaluation:
        return EncryptedEvaluation(self.name, self.maps(task, weights), self._ring(task))

    def _ring(self, task: Task) -> Ring:
        return ring_for(task.name, self.name, len(self.steps(task)) - 1, self.scale_bits)
