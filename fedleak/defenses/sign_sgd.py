"""Signs alone (signSGD)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.defense import Defense, defenses
from fedleak.update import Update

SOFT = 0.05


@defenses.register("sign-sgd")
@dataclass(frozen=True, kw_only=True)
class SignSGD(Defense):
    """Sends of every entry its sign alone, and of every tensor its mean absolute entry as their common size.

    An entry of zero counts as positive: there is one bit for each.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.04434"
    bibtex: ClassVar = """@inproceedings{bernstein2018signsgd,
  title = {{signSGD}: Compressed Optimisation for Non-Convex Problems},
  author = {Bernstein, Jeremy and Wang, Yu-Xiang and Azizzadenesheli, Kamyar and Anandkumar, Animashree},
  booktitle = {International Conference on Machine Learning}, pages = {560--569}, year = {2018},
  url = {https://arxiv.org/abs/1802.04434}
}"""

    def protect(self, update: Update, rng: Generator) -> Update:  # noqa: ARG002
        return Update(
            {name: (2.0 * (value >= 0) - 1.0) * value.abs().mean() for name, value in update.tensors.items()},
            update.kind,
        )

    def misfit(self, given: Update, sent: Update) -> Float[Tensor, ""]:
        pairs = zip(given.tensors.values(), sent.tensors.values(), strict=True)
        return torch.stack([self._unlikely(one, other) for one, other in pairs]).sum()

    def _unlikely(self, given: Tensor, sent: Tensor) -> Float[Tensor, ""]:
        unit = SOFT * given.detach().square().mean().sqrt().clamp_min(1e-30)
        return F.softplus(-sent.sign() * given / unit).sum()
