"""Deep Leakage from Gradients."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.reconstruction import Reconstruction
from fedleak.settings import Amount, Count

from .parts.deep_leakage import deep_leakage
from .parts.restarts import best_of
from .parts.starts import grey


@attacks.register("dlg")
@dataclass(frozen=True, kw_only=True)
class DLG(Attack):
    """Moves dummy images and soft labels, together, until their gradient is the observed one in the L2 sense.

    Differences from the paper: float64, a strong-Wolfe line search and a magnified loss (float32 with fixed steps
    stalls or diverges from half of all starts), a start near mid-grey instead of N(0, 1), and the L2 distance is taken
    up to length where the update's length is unknown or may have been changed by a defense. Needs a network with smooth
    activations; with ReLU use `inverting-gradients`.
    """

    paper: ClassVar = "https://arxiv.org/abs/1906.08935"
    bibtex: ClassVar = """@inproceedings{zhu2019deep,
  title = {Deep Leakage from Gradients},
  author = {Zhu, Ligeng and Liu, Zhijian and Han, Song},
  booktitle = {Advances in Neural Information Processing Systems}, volume = {32}, year = {2019},
  url = {https://arxiv.org/abs/1906.08935}
}"""
    steps: Count = 500
    """L-BFGS iterations of one attempt."""
    restarts: Count = 2
    """Attempts at most; a further one is made only while the mismatch is above `success`."""
    success: Amount = 1e-6
    """Mismatch (relative squared distance) at which an attempt counts as successful."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        matching = deep_leakage(observation, self.steps)
        task, examples = observation.task, observation.examples()

        def attempt(rng: Generator) -> Reconstruction:
            images = grey(examples, task.shape, rng)
            return matching.run(observation, images, torch.randn(examples, task.classes, generator=rng), rng)

        return best_of(attempt, self.restarts, rng, tolerance=self.success)
