"""Passive label inference: a party completes its own bottom network with a head, and asks it for the labels."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.attack import attacks

from ..parts.model_completion import ModelCompletion


@attacks.register("passive-labels")
@dataclass(frozen=True, kw_only=True)
class PassiveLabels(ModelCompletion):
    """Completes the bottom network that training left with a head, by MixMatch on the labels that the party knows.

    A passive party holds its columns of all rows, the network that joint training made of its own, and labels of a few
    rows (`adversary.known_labels`, public rows where there are any). The head is BatchNorm, ReLU and a linear layer.
    Augmentation is Gaussian noise: half an image flipped or moved is no such half. What a classifier on the same
    columns says by the same labels, without that network, is no leak; see `no-access`.
    """

    paper: ClassVar = "https://www.usenix.org/conference/usenixsecurity22/presentation/fu-chong"
    cites: ClassVar = "fu2022label"
