"""Server-side wrappers of Flower's strategies: noise on the mean of clipped updates, for who sees the models."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.accounting.declared import Declared
from fedleak.accounting.relations import Noised
from fedleak.accounting.sampling import Sample
from fedleak.claims.claimed import Claimed, figures_of
from fedleak.claims.local_dp_mod import ZERO
from fedleak.claims.setting import DELTA, Delta, DpSetting
from fedleak.settings.base import GOT, Amount, Count, Rate, Share

UNEQUAL = (
    "all clients weigh the same: the strategy weighs by what a reply says (num-examples), and noise is made for 1 of "
    "num_sampled_clients each; set largest_weight to the greatest share that one can have"
)
ANSWERED = "all that are asked answer: the mean is over those that did, and its noise is made for num_sampled_clients"


class Wrapper(DpSetting):
    """Noise of `noise_multiplier * norm / num_sampled_clients` on the mean of updates that are clipped to the norm."""

    noise_multiplier: Amount
    num_sampled_clients: Count
    epsilon: Annotated[float, Field(gt=0)] | None = None
    """As is claimed over the run, by an accountant or a paper; Flower's wrappers take none."""
    delta: Delta = DELTA
    largest_weight: Annotated[Share, Field(gt=0)] | None = None
    """The greatest share that one client has of the mean; None: one of as many as are asked."""
    strategy: Any = None

    @model_validator(mode="after")
    def _enough_clients(self) -> "Wrapper":
        if self.clients is not None and self.clients < self.num_sampled_clients:
            wanted = f"clients of at least num_sampled_clients = {self.num_sampled_clients}"
            raise PydanticCustomError("clients", wanted, {GOT: self.clients})
        return self

    def claimed(self) -> Claimed:
        asked = self.num_sampled_clients
        share = (self.largest_weight or 0.0) * asked
        noise = self.noise_multiplier / max(share, 1.0)
        part = Noised(noise_multiplier=noise, sampling=Sample(size=asked, population=self.clients or asked))
        declared = None if self.epsilon is None else Declared(epsilon=self.epsilon, delta=self.delta, over_run=True)
        return Claimed(
            use=self.use,
            protects="client",
            against="those who see the averaged models alone",
            declared=declared,
            rounds=self.rounds,
            delta=self.delta,
            figures=figures_of([part], self.rounds, self.delta) if noise else (),
            wrong=tuple(self._wrong(share)),
            mind=("clients is not given, so that no credit is taken for who is asked",) * (self.clients is None),
            provided=(ANSWERED, ZERO, *(() if self.largest_weight else (UNEQUAL,)), *self._also_provided()),
            also="nothing against the server: noise comes after the aggregate, and it has every update before",
        )

    def _wrong(self, share: float) -> list[str]:
        found = []
        if not self.noise_multiplier:
            found.append("noise_multiplier = 0: there is no noise")
        if share > 1 + 1e-9:
            found.append(
                f"unequal weights: one client has up to {self.largest_weight:g} of the mean, where noise is made for "
                f"{1 / self.num_sampled_clients:g}; it is {share:.3g} times too little"
            )
        if self.clients is not None and self.delta >= 1 / self.clients:
            found.append(f"delta = {self.delta:g} is not below one in {self.clients} clients")
        return found

    def _also_provided(self) -> tuple[str, ...]:
        return ()


class FixedClipping(Wrapper):
    """`DifferentialPrivacy{Server,Client}SideFixedClipping`.

    A mean over those that answer is another mean without one, and a client that is not asked has another asked in its
    place: under add-or-remove neighbors are as far apart as under replace-one, twice of what Flower's accountant has.
    """

    use: Literal["DifferentialPrivacyServerSideFixedClipping", "DifferentialPrivacyClientSideFixedClipping"]
    uses: ClassVar = ("DifferentialPrivacyServerSideFixedClipping", "DifferentialPrivacyClientSideFixedClipping")
    clipping_norm: Rate
    accountant: Any = None

    def _also_provided(self) -> tuple[str, ...]:
        if "ClientSide" in self.use:
            return ("clients really clip: fixedclipping_mod is among the mods of every ClientApp",)
        return ()


class AdaptiveClipping(Wrapper):
    """`DifferentialPrivacy{Server,Client}SideAdaptiveClipping`: the norm follows a quantile, told by a noised count.

    Part of the noise goes to the count, and updates get more for it: together they are worth `noise_multiplier`.
    Source: https://arxiv.org/abs/1905.03871, theorem 1.
    """

    use: Literal["DifferentialPrivacyServerSideAdaptiveClipping", "DifferentialPrivacyClientSideAdaptiveClipping"]
    uses: ClassVar = ("DifferentialPrivacyServerSideAdaptiveClipping", "DifferentialPrivacyClientSideAdaptiveClipping")
    initial_clipping_norm: Rate = 0.1
    target_clipped_quantile: Share = 0.5
    clip_norm_lr: Rate = 0.2
    clipped_count_stddev: Amount | None = None

    @model_validator(mode="after")
    def _enough_for_the_count(self) -> "AdaptiveClipping":
        spread = self.num_sampled_clients / 20 if self.clipped_count_stddev is None else self.clipped_count_stddev
        if self.noise_multiplier and self.noise_multiplier >= 2 * spread:
            wanted = f"noise_multiplier below 2 * clipped_count_stddev = {2 * spread:g}, as Flower refuses more"
            raise PydanticCustomError("noise", wanted, {GOT: self.noise_multiplier})
        if math.isinf(spread):
            raise PydanticCustomError("noise", "a finite clipped_count_stddev", {GOT: spread})
        return self

    def _also_provided(self) -> tuple[str, ...]:
        if "ClientSide" in self.use:
            return ("clients really clip: adaptiveclipping_mod is among the mods; it tells in clear who was cut",)
        return ()
