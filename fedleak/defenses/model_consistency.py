"""Model consistency: all clients of a round train the same model, or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.received import Received
from fedleak.defenses.parts.model_check import Finding, ModelCheck
from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings


@defenses.register("model-consistency")
@dataclass(frozen=True, kw_only=True)
class ModelConsistency(ModelCheck):
    """Model consistency check: a client trains only on a model that all clients of the round were sent.

    Clients sign SHA-256 of the model before they train, one model a round each, and are given the signed hashes of all
    others, by the server. Whoever sees another hash, a bad signature, or fewer than the round has clients, refuses.
    Under `secure-aggregation` masks are bound to a hash of the model received, so that sums of different models never
    open: there a signed hash of another model alone is a reason, as clients may leave. Without a registry of identity
    keys a lying server can sign for the others. It says nothing of crafted weights that all clients are sent alike.
    """

    paper: ClassVar = "https://arxiv.org/abs/2111.07380"
    cites: ClassVar = "pasquini2022eluding"
    compares_models: ClassVar[bool] = True
    caveat: ClassVar[str] = (
        "without a registry of identity keys a lying server can sign for the other clients, unless masks are bound to "
        "the model; crafted weights that all clients are sent alike pass"
    )

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {"differing": 0.0}

    def planned(self, phases: tuple[FederationSettings, ...]) -> "ModelConsistency":
        """Refuses rounds of one client."""
        if any(cohort_of(phase) < 2 for phase in phases):
            raise ConfigError(
                f"'{self.name}' compares the models of a round's clients, and a round of this run has one; raise "
                "federation.clients or the strategy's fraction_train"
            )
        return self

    def findings(self, received: Received) -> Mapping[str, Finding]:
        """How many clients of the round have not signed the same model; under bound masks, how many another."""
        if received.digests is None:
            return {}
        alike = sum(digest == received.digest for digest in received.digests.values())
        asked = len(received.digests) if received.bound else received.cohort
        words = "not all clients of the round have signed the same model"
        return {"differing": Finding(value=float(max(asked - alike, 0)), words=words)}


def compares(chain: Chain) -> bool:
    """Whether clients exchange hashes of models before they train."""
    return any(isinstance(defense, ModelConsistency) for defense in chain)
