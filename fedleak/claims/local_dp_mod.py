"""Mods of Flower's ClientApps: LocalDpMod, which clips and noises, and those that only clip."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fedleak.accounting.declared import Declared
from fedleak.accounting.relations import Noised
from fedleak.claims.claimed import Claimed, figures_of, shown
from fedleak.claims.setting import DELTA, Delta, DpSetting
from fedleak.settings.base import Amount, Rate

CLEAR = "counts and metrics of a reply leave in clear beside it, and are covered by no noise"
ZERO = "no update is exactly zero: Flower's clipping divides by its norm, and that client fails in sight of all"


class LocalDpModSetting(DpSetting):
    """`LocalDpMod`: the update clipped to a norm, and noise of `sensitivity sqrt(2 ln(1.25 / delta)) / epsilon`.

    That formula is proved for epsilon below 1, and for updates that lie `sensitivity` apart: nothing ties that to the
    norm. Source: Dwork and Roth 2014, theorem A.1; beyond it https://arxiv.org/abs/1805.06530.
    """

    use: Literal["LocalDpMod"]
    uses: ClassVar = ("LocalDpMod",)
    clipping_norm: Rate
    sensitivity: Amount
    epsilon: Annotated[float, Field(gt=0)]
    delta: Delta

    @property
    def std(self) -> float:
        """Standard deviation of the noise on each entry."""
        return self.sensitivity * math.sqrt(2 * math.log(1.25 / self.delta)) / self.epsilon

    def claimed(self) -> Claimed:
        return Claimed(
            use=self.use,
            protects="client",
            against="the server, which sees single updates",
            declared=Declared(epsilon=self.epsilon, delta=self.delta),
            rounds=self.rounds,
            delta=self.delta,
            figures=figures_of([Noised(noise_multiplier=self.std / self.clipping_norm)], self.rounds, self.delta),
            wrong=tuple(self._wrong()),
            mind=(f"epsilon is of one round, and each of the {self.rounds} spends it anew",) * (self.rounds > 1),
            provided=(CLEAR, ZERO, "an array of whole numbers, as BatchNorm's counter, gets no noise"),
            also="an example has at least what its client has",
        )

    def _wrong(self) -> list[str]:
        norm, own = self.clipping_norm, self.sensitivity
        found = []
        if own < norm * (1 - 1e-9):
            found.append(
                f"the sensitivity is not the norm's: noise is made for updates {own:g} apart, and updates of norm "
                f"{norm:g} lie {norm:g} from none and {2 * norm:g} from one another; give sensitivity = {2 * norm:g}"
            )
        elif own < 2 * norm * (1 - 1e-9):
            found.append(
                f"replace-one is forgotten: two updates of norm {norm:g} lie up to {2 * norm:g} apart, and noise is "
                f"made for {own:g}; give sensitivity = {2 * norm:g} to hide which update it is"
            )
        if self.epsilon > 1:
            matched = Noised(noise_multiplier=self.std / own) if own else None
            truth = figures_of([matched], 1, self.delta)[1].round.epsilon if matched else math.inf
            found.append(
                f"the formula of its noise is proved for epsilon below 1; at {self.epsilon:g} its noise gives "
                f"{shown(truth)} where the sensitivity is right"
            )
        if self.clients is not None and self.delta >= 1 / self.clients:
            found.append(
                f"delta = {self.delta:g} allows that one of {self.clients} clients is published as it is; "
                f"take one well below {1 / self.clients:.1g}"
            )
        return found


class ClippingMod(DpSetting):
    """`fixedclipping_mod` and `adaptiveclipping_mod`: they clip, and whatever noise there is is the server's."""

    use: Literal["fixedclipping_mod", "adaptiveclipping_mod"]
    uses: ClassVar = ("fixedclipping_mod", "adaptiveclipping_mod")

    def claimed(self) -> Claimed:
        told = () if self.use == "fixedclipping_mod" else ("whether a client's update was cut leaves in clear",)
        return Claimed(
            use=self.use,
            protects="client",
            against="the server, which sees single updates",
            declared=None,
            rounds=self.rounds,
            delta=DELTA,
            wrong=("it clips and adds no noise: the noise is the server's, which has the update before it", *told),
            also="what the averaged model gives away is the server's wrapper's to say",
        )
