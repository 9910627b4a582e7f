"""Changes: what a model says of the same inputs before and after an update, as a vector to learn from."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.answering import simulated_answers
from fedleak.contracts.chain import Chain

from ..records.answers import TINY

Compared = Literal["ratio", "difference"]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Probabilities of the same probes by versions before and after updates; NaN where one did not answer."""

    before: Float[Tensor, "updates probes classes"]
    after: Float[Tensor, "updates probes classes"]

    @property
    def answered(self) -> Bool[Tensor, " probes"]:
        """The probes that both versions answered, of all updates."""
        return (self.before + self.after).isfinite().all(2).all(0)

    @property
    def none(self) -> bool:
        """Whether nothing that was answered has changed."""
        return not bool((self.before - self.after).nan_to_num(0.0).any())

    def of(self, probes: Bool[Tensor, " probes"]) -> "Changes":
        """Of some of the probes alone."""
        return Changes(before=self.before[:, probes], after=self.after[:, probes])

    def through(self, chain: Chain, probes: Float[Tensor, "probes *shape"], rng: Generator) -> "Changes":
        """The same as defenses of answers leave them: each update is asked about by a user of its own."""
        if not len(chain.answering):
            return self
        seed = int(torch.randint(2**62, (), generator=rng))
        pairs = enumerate(zip(self.before, self.after, strict=True))
        said = [simulated_answers(chain, probes, pair, "changes", seed, place) for place, pair in pairs]
        return Changes(before=torch.stack([one for one, _ in said]), after=torch.stack([other for _, other in said]))

    def features(self, compared: Compared, least: float) -> Float[Tensor, "updates features"]:
        """By update how logarithms of all probabilities changed, in units of their root mean square; or differences.

        A probability below `least` is taken for that. Logarithms undo the softmax but for a shift: how far each label
        rises does not depend on how sure a model was. How long the whole step is does, and is divided out.
        """
        if compared == "difference":
            return (self.after - self.before).flatten(1).float()
        logs = [part.double().clamp_min(least).log() for part in (self.after, self.before)]
        change = (logs[0] - logs[1]).flatten(1)
        return (change / change.square().mean(1, keepdim=True).sqrt().clamp_min(TINY)).float()


def least_shown(chain: Chain) -> float:
    """The probability below which defenses of answers show nothing for sure."""
    return max(chain.resolution / 2, chain.answer_noise, TINY)
