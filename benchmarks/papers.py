"""The papers whose figures are set beside ours, and what a row of that comparison says; the rows: `rows.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from measuring import Case

Figure = Literal["psnr", "images", "label", "recall", "classes", "counts", "exact", "source", "collected"]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper, and how what is measured here came about in it."""

    name: str
    link: str
    did: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure of a paper, or of its authors' code."""

    value: float
    where: str
    """Table, log or notebook that has it."""
    source: str
    """A link."""
    spread: float | None = None
    verified: bool = True
    """Whether it was read at the source; else it is as recalled, and no search found it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row: what is measured here, beside what was published. Empty words say that nothing differs.

    With empty `data` and `network` it is the paper's setting; only then can a figure be called reproduced.
    """

    name: str
    paper: Paper
    case: Case
    figure: Figure
    published: Published | None = None
    data: str = ""
    """What the data here are and why, where they are not the paper's; a part of the same set is the paper's."""
    network: str = ""
    """What the network or its training is, where it is not the paper's."""
    otherwise: str = ""
    """What else differs."""
    uniform: bool = False
    """Whether the weights are uniform in ±0.5 instead of the architecture's own initialisation."""
    federation: Mapping[str, Any] = field(default_factory=dict)
    """The federation that messages come from, where one message does not do; see `fedleak.api.capture`."""

    @property
    def asked(self) -> str:
        """Everything that the measured figures depend on."""
        words = [self.case.attack, self.case.setting, *(["weights uniform in ±0.5"] if self.uniform else [])]
        return ", ".join([*words, *(f"{key} {value}" for key, value in self.federation.items())])


DLG = Paper(
    name="Deep Leakage from Gradients",
    link="https://arxiv.org/abs/1906.08935",
    did="moved a dummy image and a dummy label until their gradient was the observed one, by L-BFGS on a sigmoid LeNet "
    "whose weights are uniform in ±0.5; iDLG counted how often the label came out right",
)
IDLG = Paper(
    name="iDLG",
    link="https://arxiv.org/abs/2001.02610",
    did="read the label of one example off the last layer's gradient of an untrained LeNet, without iterating",
)
INVERTING = Paper(
    name="Inverting Gradients",
    link="https://arxiv.org/abs/2003.14053",
    did="rebuilt each of the first 100 validation images of CIFAR-10 from its gradient, the label known, on DLG's "
    "LeNet with uniform weights and on ResNet20-4 in evaluation mode, untrained and trained: 4,800 steps of signed "
    "Adam on the cosine with total variation 0.01, beside L-BFGS on the Euclidean distance; it also proved that an "
    "input of a linear layer with a bias follows from the gradient",
)
RGAP = Paper(
    name="R-GAP",
    link="https://arxiv.org/abs/2010.07733",
    did="solved for one example layer by layer, as linear equations, on a CNN of six layers",
)
SPEAR = Paper(
    name="SPEAR",
    link="https://arxiv.org/abs/2403.03945",
    did="split the gradient of a linear layer with ReLU into the examples of a batch, exactly: 20 images of MNIST on a "
    "network of six layers of 200, on a GPU",
)
FEDAVG = Paper(
    name="Data Leakage in Federated Averaging",
    link="https://arxiv.org/abs/2206.12395",
    did="simulated the local training of FedAvg and differentiated through it, with a prior that epochs hold the same "
    "images in another order: ten epochs of ten batches of five images of FEMNIST",
)
APRIL = Paper(
    name="APRIL",
    link="https://arxiv.org/abs/2112.14087",
    did="solved a linear system for the input of a vision transformer whose position embedding is learned",
)
ILRG = Paper(
    name="iLRG",
    link="https://openreview.net/forum?id=FIrQfNSOoTr",
    did="counted the classes of a batch from the last layer's gradient, in 50 random batches, and compared two rules "
    "that name the classes only, GradInversion's minimum and RLG",
)
BREACHING = Paper(
    name="the framework breaching",
    link="https://github.com/JonasGeiping/breaching",
    did="reimplements attacks of many papers; each of its notebooks shows one example or one batch, on models in "
    "evaluation mode, with 10,000 and more iterations on a GPU",
)
SOURCE = Paper(
    name="Source Inference Attacks",
    link="https://arxiv.org/abs/2109.05659",
    did="took each training example for the client whose returned weights have the smallest loss on it: ten clients "
    "with labels by a Dirichlet distribution (alpha 1), five local epochs, a small CNN; guessing is right in 0.1",
)

LOKI = Paper(
    name="LOKI",
    link="https://arxiv.org/abs/2303.12233",
    did="sent each client kernels of its own, so that a sum over clients has the weight gradients of each apart; its "
    "abstract says that of 100 clients, FedAvg and aggregation 76 to 86% of the samples leak, and of prior work less "
    "than 1%; a notebook with its code has ten clients of CIFAR-10",
)
UNREAD = {
    "LLG": "https://arxiv.org/abs/2105.09369",
    "CPL": "https://arxiv.org/abs/2004.10397",
    "SAPAG": "https://arxiv.org/abs/2009.06228",
    "GradInversion": "https://arxiv.org/abs/2104.07586",
    "Evaluating Gradient Inversion Attacks and Defenses": "https://arxiv.org/abs/2112.00059",
    "RLU": "https://arxiv.org/abs/2405.00955",
    "Soteria": "https://arxiv.org/abs/2012.06043",
    "PRECODE": "https://arxiv.org/abs/2108.04725",
    "Cocktail Party Attack": "https://arxiv.org/abs/2209.05578",
    "Surrogate Model Extension": "https://arxiv.org/abs/2306.00127",
    "Learning To Invert": "https://arxiv.org/abs/2210.10880",
    "Dropout Inversion": "https://arxiv.org/abs/2208.06163",
    "GRNN": "https://arxiv.org/abs/2105.00529",
    "Generative Gradient Leakage": "https://arxiv.org/abs/2203.15696",
    "FedLeak (partial-matching)": "https://arxiv.org/abs/2506.08435",
    "membership by the cosine of updates": "https://openreview.net/forum?id=QsCSLPP55Ku",
}
"""Papers without a row: their figures could be read neither at the source nor in their authors' code."""
