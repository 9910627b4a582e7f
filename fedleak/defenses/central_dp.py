"""Central differential privacy: Flower's own wrappers around the strategy."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.settings import Amount, FederationSettings, Rate, Table

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
        asked = max(1, int(federation.clients * _fraction(inner)))
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

    def mechanism(self, situation: Situation) -> Mechanism | None:
        if situation.view != "model":
            return None
        return Mechanism(
            noise=self.noise_multiplier * self.max_norm,
            contribution=self.max_norm,
            protects="client",
            neighbors="removed",
            releases=1,
            sampling_rate=_fraction(situation.federation.strategy_options["strategy"]),
        )


def _fraction(strategy: Table) -> float:
    """The share of the clients that a strategy asks in a round."""
    return float(strategy.get("fraction_train", 1.0))
