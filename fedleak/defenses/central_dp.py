"""Central differential privacy: Flower's own wrappers around the strategy."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fedleak.accounting.mechanism import Mechanism, Situation, Unproven, cohort_of
from fedleak.accounting.sampling import Sample
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.settings.base import Amount, Rate, Table
from fedleak.settings.federation import FederationSettings

_WRAPPERS = {
    "fixed": "DifferentialPrivacyServerSideFixedClipping",
    "adaptive": "DifferentialPrivacyServerSideAdaptiveClipping",
}


@defenses.register("central-dp")
@dataclass(frozen=True, kw_only=True)
class CentralDP(Defense):
    """Leaves updates as they are; the server clips them on arrival and adds noise to their mean.

    It protects from those who get the averaged model. A curious server has each update as the client made it, so
    against the adversary of this tool it is no defense at all, which is what it is here to show. Flower's
    DifferentialPrivacyServerSide wrappers do it, around the strategy of the federation.
    """

    paper: ClassVar = "https://arxiv.org/abs/1712.07557"
    cites: ClassVar = "geyer2017differentially"
    adaptive_strategy: ClassVar[str] = "takes the updates, which reach the server before the noise"
    noise_multiplier: Amount
    """Standard deviation of the noise of the sum, as a multiple of the clipping norm."""
    clipping: Literal["fixed", "adaptive"] = "fixed"
    """Whether the norm stays, or follows the median of the updates' norms."""
    max_norm: Rate = 0.1
    """Greatest norm of a client's update; with adaptive clipping that of the first round."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if federation.strategy in _WRAPPERS.values():
            raise ConfigError(
                f"'{self.name}' is Flower's {federation.strategy}, which federation.strategy names already; keep one"
            )
        inner: Table = {"use": federation.strategy, **federation.strategy_options}
        asked = cohort_of(federation)
        options: Table = {
            "strategy": inner,
            "noise_multiplier": self.noise_multiplier,
            "num_sampled_clients": asked,
            **self._norms(asked),
        }
        return federation.model_copy(update={"strategy": _WRAPPERS[self.clipping], "strategy_options": options})

    def _norms(self, asked: int) -> Table:
        if self.clipping == "fixed":
            return {"clipping_norm": self.max_norm}
        # Counting how many updates were clipped costs a part of the guarantee, for which the updates have 15% more
        # noise; Flower's default for that count suits hundreds of clients and is refused for a few.
        spread = max(asked / 20, self.noise_multiplier)
        return {"initial_clipping_norm": self.max_norm, "clipped_count_stddev": spread}

    @property
    def stacked(self) -> None:
        """The server's noise is in no federation that an adversary trains."""
        return None

    def mechanism(self, situation: Situation) -> Mechanism | Unproven | None:
        """About a mean of clipped updates that weigh the same; who was asked is a secret to those who see models."""
        if situation.view != "model":
            return None
        federation = situation.federation
        inner = federation.strategy_options["strategy"]
        if federation.batches == "all" or inner.keys() & {"weighted_by_key"}:
            return Unproven(f"'{self.name}' has noise for a mean in which clients weigh the same, and here they do not")
        if inner["use"] != "FedAvg":
            return Unproven(f"'{self.name}' has noise for a mean, and {inner['use']} makes something else of updates")
        asked = cohort_of(federation)
        return Mechanism(
            noise=self.noise_multiplier * self.max_norm,
            contribution=self.max_norm,
            protects="client",
            sample=Sample(size=asked, population=federation.clients) if asked < federation.clients else None,
            buffers=True,  # they are in the record of arrays that the wrapper clips and adds noise to
        )
