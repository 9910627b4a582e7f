"""Improved Deep Leakage from Gradients."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.reconstruction import Reconstruction
from fedleak.settings import Amount, Count

from .auto_labels import AutoLabels
from .parts.deep_leakage import deep_leakage
from .parts.label_rule import LabelRule
from .parts.restarts import best_of
from .parts.starts import grey


@attacks.register("idlg")
@dataclass(frozen=True, kw_only=True)
class IDLG(Attack):
    """Reads the label off the last layer's gradient, then moves dummy images until their gradient is the observed one.

    Differences from the paper: those of `dlg`, and batches of more than one example, whose labels come from
    `batch-counts`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    bibtex: ClassVar = """@article{zhao2020idlg,
  title = {{iDLG}: Improved Deep Leakage from Gradients},
  author = {Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan},
  journal = {arXiv preprint arXiv:2001.02610}, year = {2020},
  url = {https://arxiv.org/abs/2001.02610}
}"""
    steps: Count = 500
    """L-BFGS iterations of one attempt."""
    restarts: Count = 2
    """Attempts at most; a further one is made only while the mismatch is above `success`."""
    success: Amount = 1e-6
    """Mismatch (relative squared distance) at which an attempt counts as successful."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        inferred = self.labels.infer(observation, rng)
        if isinstance(inferred, str):
            return Reconstruction.failed(inferred)
        labels = inferred
        matching = deep_leakage(observation, self.steps)

        def attempt(rng: Generator) -> Reconstruction:
            return matching.run(observation, grey(len(labels), observation.task.shape, rng), labels, rng)

        return best_of(attempt, self.restarts, rng, tolerance=self.success)
