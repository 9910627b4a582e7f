"""Labels of a batch, with how often each is there."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.reconstruction import Reconstruction

from .parts.labels import infer_labels, label_defect


@attacks.register("batch-counts")
@dataclass(frozen=True, kw_only=True)
class BatchCounts(Attack):
    """Counts the classes by the identity `n = K (p̄ - g_b)` between last-layer bias gradient and mean posterior.

    The mean posterior p̄ is estimated: from public examples where there are some (a regression on what the network gets
    wrong), else from the mean features that the last layer's gradient contains, or, where those give counts that
    cannot be, from calibration. Near exact on untrained networks; on trained ones look at the prior's figure beside it.
    """

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    bibtex: ClassVar = """@inproceedings{ma2023instance,
  title = {Instance-wise Batch Label Restoration via Gradients in Federated Learning},
  author = {Ma, Kailang and Sun, Yu and Cui, Jian and Li, Dawei and Guan, Zhenyu and Liu, Jianwei},
  booktitle = {International Conference on Learning Representations}, year = {2023},
  url = {https://openreview.net/forum?id=FIrQfNSOoTr}
}"""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        problem = label_defect(observation)
        if problem:
            return Reconstruction.failed(problem)
        return Reconstruction(labels=infer_labels(observation, "batch-counts"))
