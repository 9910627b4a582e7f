"""Label Leakage from Gradients, with made-up images."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.settings import Count

from .parts.head import head_gradient
from .parts.head_view import noise_view
from .parts.impact import impact
from .parts.label_rule import LabelRule
from .parts.labels import as_labels, refusal
from .parts.magnitude import by_magnitude


@attacks.register("llg-star")
@dataclass(frozen=True, kw_only=True)
class LLGStar(LabelRule):
    """Counts classes as `llg` does, by impact and offset that images of uniform noise have on row sums.

    The server knows the network, so it can label noise as any class and see what that does to the gradient. All
    classes see the same noise.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    bibtex: ClassVar = """@article{wainakh2022user,
  title = {User-Level Label Leakage from Gradients in Federated Learning},
  author = {Wainakh, Aidmar and Ventola, Fabrizio and M{\\"u}{\\ss}ig, Till and Keim, Jens and Garcia Cordero, Carlos
            and Zimmer, Ephraim and Grube, Tim and Kersting, Kristian and M{\\"u}hlh{\\"a}user, Max},
  journal = {Proceedings on Privacy Enhancing Technologies}, volume = {2022}, number = {2}, pages = {227--244},
  year = {2022}, url = {https://arxiv.org/abs/2105.09369}
}"""
    images: Count = 64
    """Images of noise."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | str:
        problem = refusal(observation, one_sign=True, length=True)
        if problem:
            return problem
        examples = observation.examples()
        seen = noise_view(observation, self.images, rng)
        tried = impact([seen] * observation.task.classes, examples)
        return as_labels(by_magnitude(head_gradient(observation).weight.sum(1), tried.own, examples, tried.others))
