"""Label Leakage from Gradients, with public examples."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from .parts.head import head_gradient
from .parts.head_view import view
from .parts.impact import impact
from .parts.label_rule import LabelRule
from .parts.labels import as_labels, refusal
from .parts.magnitude import by_magnitude
from .parts.posteriors import by_class


@attacks.register("llg-plus")
@dataclass(frozen=True, kw_only=True)
class LLGPlus(LabelRule):
    """Counts classes as `llg` does, by impact and offset that public examples of each class have on row sums.

    The impact is what one example takes off its class, the offset what a batch of other classes adds to it.
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
        problem = refusal(observation, one_sign=True, length=True, public=True)
        if problem:
            return problem
        public, examples = observation.auxiliary, observation.examples()
        assert public is not None
        views = [
            view(observation, images) for images in by_class(public.inputs, public.labels, observation.task.classes)
        ]
        tried = impact(views, examples)
        return as_labels(by_magnitude(head_gradient(observation).weight.sum(1), tried.own, examples, tried.others))
