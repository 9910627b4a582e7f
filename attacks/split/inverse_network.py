"""Inverse network: learns from public examples what leads embeddings back to columns."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count, Rate

from ..parts.cut import CutInversion, Inverted, Sender
from ..parts.learning.decoder import Pairs, Training, learn_decoder

FEWEST = 8
"""Public examples below which there is nothing to learn from."""
HELD_OUT = 5
"""One in so many public examples is not learned from: by these it is told when to stop."""


@attacks.register("inverse-network")
@dataclass(frozen=True, kw_only=True)
class InverseNetwork(CutInversion):
    """Trains a decoder on what a sender's bottom network says of public examples, and gives it what was sent.

    The network is asked about public examples, no more: of a batch as large as that of the round's first step, in the
    mode in which it trains, so that BatchNorm goes by such a batch; a bottom with dropout is refused. Feature maps are
    led back by transposed convolutions, vectors by a perceptron, and of all looks at public examples that were held out
    the best counts. Not in the paper are a linear path beside these, which begins at a ridge regression, and a rate of
    Adam's that falls along a half cosine: with few public examples the regression is most of what is learned.
    Under a defense that changes embeddings the decoder learns from embeddings that are changed in the same way, by
    draws of the adversary's own.
    """

    paper: ClassVar = "https://doi.org/10.1145/3359789.3359824"
    cites: ClassVar = "he2019model"
    needs: ClassVar[Literal["", "queries", "weights"]] = "queries"
    steps: Count = 1000
    learning_rate: Rate = 2e-3
    width: Count = 16
    """Channels of the decoder's feature maps."""
    hidden: Count = 512
    """Neurons of each of the perceptron's two hidden layers."""
    copies: Count = 16
    """Drawings of a defense's noise for each public example."""
    adaptive: bool = True
    """Whether it makes anything of knowing a defense."""

    def adapts_to(self, chain: Chain) -> bool:
        return self.adaptive and super().adapts_to(chain)

    def invert(self, sender: Sender, rng: Generator) -> Inverted:
        public = sender.public
        if public is None or len(public) < FEWEST:
            raise NotApplicable(
                f"it learns from public examples, {FEWEST} or more, and the adversary holds "
                f"{0 if public is None else len(public)}; set adversary.auxiliary, as in auxiliary = 256"
            )
        public = public[torch.randperm(len(public), generator=rng)]
        plain = embedded(sender, public)
        noisy = sender.defended and self.adaptive
        drawn = [sender.protected(plain, rng) for _ in range(self.copies)] if noisy else [plain]
        fewer = max(1, len(public) // HELD_OUT)
        known = [Pairs(one[fewer:], public[fewer:]) for one in drawn]
        aside = Pairs(torch.cat([one[:fewer] for one in drawn]), torch.cat([public[:fewer]] * len(drawn)))
        decoder, error = learn_decoder(known, aside, self.training, rng)
        with torch.no_grad():
            return Inverted(sender.space.clamped(decoder(sender.embeddings)), error)

    @property
    def training(self) -> Training:
        """How its decoder is made and trained."""
        return Training(width=self.width, hidden=self.hidden, steps=self.steps, learning_rate=self.learning_rate)


def embedded(sender: Sender, public: Float[Tensor, "public *own"]) -> Float[Tensor, "public *embedding"]:
    """What its network says of public examples, in batches as large as that of the rows that are asked about."""
    size, count = len(sender.embeddings), len(public)
    said = []
    with torch.no_grad():
        for first in range(0, count, size):
            whole = (first + torch.arange(size)) % count  # the last batch is filled up from the beginning
            said.append(sender.embed(public[whole])[: count - first])
    return torch.cat(said)
