"""Rows on labels: rules that name or count the classes of a batch; see `rows.py`."""

from typing import Any

from measuring import Case
from papers import DLG, IDLG, ILRG, Figure, Published, Setting

FEW = "5,000 digits of MNIST, 500 of each class, instead of 60,000"
REFUSED = "; the paper's code answers also where its test passes every class, ours refuses"
README = "https://github.com/PatrickZH/Improved-Deep-Leakage-from-Gradients"
LOGS = "https://github.com/BUAA-CST/iLRG/tree/main/logs"
SIZES, LAYERS = "Experiment2/dnn+mnist+batchsize/exp{}.log, {}", "Experiment2/dnn+mnist+layers/exp{}.log, IRec"


def idlg(name: str, attack: str, task: str, rate: float, place: str, **facts: Any) -> Setting:
    """Of iDLG's Table 1: how often the label of one example is read."""
    return Setting(
        name=name,
        paper=DLG if attack == "dlg" else IDLG,
        case=Case(attack=attack, task=task, examples=1, draws=facts.pop("draws", 50), options=facts.pop("options", {})),
        figure="label",
        published=Published(value=rate, where=f"iDLG, Table 1 in its authors' README, {place}", source=README),
        uniform=True,
        **facts,
    )


def ilrg(name: str, examples: int, rate: float, figure: Figure, log: str, **facts: Any) -> Setting:
    """A batch under a rule for labels, against a log of iLRG's authors; MNIST on FCN-3 where nothing else is said."""
    task, rule, epochs = facts.get("task", "mnist-fcn3"), facts.get("rule", "ilrg"), facts.get("epochs", 0)
    return Setting(
        name=name,
        paper=ILRG,
        case=Case(
            attack=rule,
            task=task,
            examples=examples,
            draws=20 if epochs else 50,
            epochs=epochs,
            training={"mode": "eval"},
        ),
        figure=figure,
        published=Published(value=rate, where=log, source=LOGS),
        data=facts.get("data", ""),
        network=facts.get("network", ""),
        otherwise=f"images are not normalized{'' if 'data' in facts else '; ' + FEW}{facts.get('more', '')}",
    )


HUNDRED = "CIFAR-10 stands for CIFAR-100: 10 classes instead of 100"
FACES = "100 faces and 100 non-faces of 25x25 stand for LFW: 2 classes instead of one for each person"
DISTILLED = "trained 10 epochs of 32 by momentum SGD, the paper's 1,000 iterations of 128"

LABELS = (
    idlg("dlg-label-mnist", "dlg", "mnist-lenet", 0.899, "MNIST", draws=16,
         otherwise=f"{FEW}; two restarts with line search, chosen by mismatch"),
    idlg("dlg-label-cifar", "dlg", "cifar10-lenet", 0.833, "CIFAR-100", draws=16, data=HUNDRED,
         otherwise="two restarts with line search, chosen by mismatch"),
    idlg("idlg-label-mnist", "idlg-rows", "mnist-lenet", 1.0, "MNIST",
         otherwise=f"{FEW}; the rule alone, because no image changes it"),
    idlg("idlg-label-cifar", "idlg-rows", "cifar10-lenet", 1.0, "CIFAR-100", data=HUNDRED,
         otherwise="the rule alone, because no image changes it"),
    idlg("idlg-label-faces", "idlg", "faces-lenet", 1.0, "LFW", data=FACES, options={"steps": 1, "restarts": 1},
         otherwise="one step, because no image changes the label"),
    ilrg("ilrg-mnist-4", 4, 1.0, "recall", SIZES.format(0, "IRec")),
    ilrg("ilrg-mnist-8", 8, 1.0, "recall", SIZES.format(1, "IRec")),
    ilrg("ilrg-mnist-24", 24, 1.0, "recall", "Experiment1/exp1.log, IRec"),
    ilrg("ilrg-mnist-24-counts", 24, 0.994, "counts", "Experiment1/exp1.log and README, LnAcc"),
    ilrg("ilrg-mnist-32", 32, 0.975, "recall", SIZES.format(3, "IRec")),
    ilrg("ilrg-mnist-64", 64, 0.957, "recall", SIZES.format(4, "IRec")),
    ilrg("ilrg-mnist-128", 128, 0.963, "recall", SIZES.format(5, "IRec")),
    ilrg("ilrg-mnist-128-counts", 128, 0.386, "counts", SIZES.format(5, "LnAcc")),
    ilrg("ilrg-mnist-64-shallow", 64, 0.887, "recall", LAYERS.format(1), task="mnist-fcn2"),
    ilrg("ilrg-mnist-64-deep", 64, 0.975, "recall", LAYERS.format(3), task="mnist-fcn4"),
    ilrg("ilrg-mnist-24-trained", 24, 0.337, "recall", "trained_models/exp6.log, IRec", epochs=10, network=DISTILLED),
    ilrg("ilrg-cifar-128", 128, 1.0, "recall", "batchnorm&dropout/exp1.log, IRec",
         task="cifar10-ilrg-lenet5", data=HUNDRED),
    ilrg("ilrg-cifar-128-batch-norm", 128, 1.0, "recall", "batchnorm&dropout/exp2.log, IRec",
         task="cifar10-bn-lenet5", data=HUNDRED),
    ilrg("minimum-mnist-24", 24, 1.0, "classes", "Experiment1/exp1.log, GI LeAcc", rule="gradinversion-min"),
    ilrg("minimum-mnist-128", 128, 1.0, "classes", SIZES.format(5, "GI LeAcc"), rule="gradinversion-min"),
    ilrg("rlg-mnist-8", 8, 0.786, "classes", SIZES.format(1, "SVD LeAcc"), rule="rlg"),
    ilrg("rlg-mnist-24", 24, 0.932, "classes", "Experiment1/exp1.log, SVD LeAcc", rule="rlg", more=REFUSED),
)  # fmt: skip
"""The labels of one example, then the labels of a batch."""
