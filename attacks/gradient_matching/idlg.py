"""iDLG, Improved Deep Leakage from Gradients: labels are inferred first, then images are matched."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import DeepLeakage, l2
from ..parts.engine.gradient_match import GradientMatch, pixels


@attacks.register("idlg")
@dataclass(frozen=True, kw_only=True)
class IDLG(DeepLeakage):
    """Reads the label off the last layer's gradient, then moves dummy images until their gradient is the observed one.

    Differences from the paper: those of `dlg`, and batches of more than one example, whose labels come from
    the rule `labels`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    cites: ClassVar = "zhao2020idlg"
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels, dtype = self.labels.infer(observation, rng), self.dtype(torch.float64)
        decode = pixels(labels.to(self.device))
        objective = GradientMatch.of(observation, l2(observation), decode, box=False, dtype=dtype, device=self.device)
        return self.descend(objective, self.starts(observation, len(labels), dtype, rng), rng)
