"""Label Leakage from Gradients, read off the bias."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from .parts.head import head_gradient
from .parts.label_rule import LabelRule
from .parts.labels import as_labels, refusal
from .parts.magnitude import by_magnitude, shared_impact


@attacks.register("bias-corrected")
@dataclass(frozen=True, kw_only=True)
class BiasCorrected(LabelRule):
    """Counts classes as `llg` does, on the last layer's bias gradient in place of its row sums.

    So features may have both signs. What one example takes off is the sum of negative entries over K: it could be
    1 / K, but the network expected some of the labels. Approximate on untrained networks, off on trained ones.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    bibtex: ClassVar = """@article{wainakh2022user,
  title = {User-Level Label Leakage from Gradients in Federated Learning},
  author = {Wainakh, Aidmar and Ventola, Fabrizio and M{\\"u}{\\ss}ig, Till and Keim, Jens and Garcia Cordero, Carlos
            and Zimmer, Ephraim and Grube, Tim and Kersting, Kristian and M{\\"u}hlh{\\"a}user, Max},
  journal = {Proceedings on Privacy Enhancing Technologies}, volume = {2022}, number = {2}, pages = {227--244},
  year = {2022}, url = {https://arxiv.org/abs/2105.09369}
}"""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | str:  # noqa: ARG002
        problem = refusal(observation, bias=True)
        if problem:
            return problem
        bias, examples = head_gradient(observation).bias, observation.examples()
        assert bias is not None
        return as_labels(by_magnitude(bias, shared_impact(bias, examples), examples))
