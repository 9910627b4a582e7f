"""Label Leakage from Gradients, from the gradient alone."""

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


@attacks.register("llg")
@dataclass(frozen=True, kw_only=True)
class LLG(LabelRule):
    """Counts classes by the row sums of the last layer's gradient: each example takes about the same off its class.

    What one example takes off is the sum of negative row sums over K, times `1 + 1 / classes`. Features must not be
    negative; the gradient's length plays no part. Approximate on untrained networks, off on trained ones.
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
        problem = refusal(observation, one_sign=True)
        if problem:
            return problem
        sums, examples = head_gradient(observation).weight.sum(1), observation.examples()
        impact = shared_impact(sums, examples) * (1 + 1 / len(sums))
        return as_labels(by_magnitude(sums, impact, examples))
