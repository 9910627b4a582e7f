"""The rule for labels that fits what the adversary holds."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.attack import attacks
from fedleak.observation import Observation

from .parts.label_rule import LabelRule
from .parts.labels import infer_labels, label_defect


@attacks.register("auto-labels")
@dataclass(frozen=True, kw_only=True)
class AutoLabels(LabelRule):
    """Picks a rule by batch size, known features and public data: signs for one example, else counts."""

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    bibtex: ClassVar = """@inproceedings{ma2023instance,
  title = {Instance-wise Batch Label Restoration via Gradients in Federated Learning},
  author = {Ma, Kailang and Sun, Yu and Cui, Jian and Li, Dawei and Guan, Zhenyu and Liu, Jianwei},
  booktitle = {International Conference on Learning Representations}, year = {2023},
  url = {https://openreview.net/forum?id=FIrQfNSOoTr}
}"""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | str:  # noqa: ARG002
        problem = label_defect(observation)
        return problem or infer_labels(observation)
