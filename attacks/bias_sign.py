"""Labels from the signs of the last layer's gradient."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.reconstruction import Reconstruction

from .parts.head import find_head, head_gradient
from .parts.labels import bias_gradient, label_defect, present


@attacks.register("bias-sign")
@dataclass(frozen=True, kw_only=True)
class BiasSign(Attack):
    """Names the classes whose last-layer bias gradient is negative, each once; of one example, exactly its label.

    `g_b,i` is the mean of `p_i - y_i`, so a negative entry proves that class i is there. Classes that are there more
    than once, or that the network expected more of, are not told: see `batch-counts`. Without a bias the rows of the
    last layer's weight take its place.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    bibtex: ClassVar = """@article{zhao2020idlg,
  title = {{iDLG}: Improved Deep Leakage from Gradients},
  author = {Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan},
  journal = {arXiv preprint arXiv:2001.02610}, year = {2020},
  url = {https://arxiv.org/abs/2001.02610}
}"""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        problem, head = label_defect(observation), find_head(observation.task)
        if problem or head is None:
            return Reconstruction.failed(problem or "the network has no last linear layer")
        gradient = head_gradient(observation, head)
        most_negative_first = bias_gradient(gradient).argsort(stable=True)
        guesses = most_negative_first[: int(present(gradient).sum())][: observation.examples()]
        return Reconstruction(labels=guesses.sort().values)
