"""The rows of the comparison with papers: settings here that come nearest to theirs, for `reproduction.py`."""

from typing import Any

from measuring import Case
from papers import (
    APRIL,
    COCKTAIL,
    DLG,
    FEDAVG,
    IDLG,
    ILRG,
    INVERTING,
    RGAP,
    SOURCE,
    SPEAR,
    Figure,
    Published,
    Setting,
)

PHOTOS = "tiles of ten photos stand for {}, which cannot be had offline"
FACES = "100 faces and 100 non-faces of 25x25 stand for LFW, of which no more can be had offline"
REFUSED = "; the paper's code answers also where its test passes every class, ours refuses"
FEW = "5,000 digits of MNIST, 500 of each class, instead of 60,000"

NOTEBOOK = "https://github.com/JonasGeiping/breaching/tree/main/examples"
LOGS = "https://github.com/BUAA-CST/iLRG/tree/main/logs"


def idlg_table(rate: float, data: str) -> Published:
    """Of iDLG's Table 1."""
    return Published(value=rate, where=f"iDLG, Table 1, {data}", source=IDLG.link, verified=False)


def ilrg(name: str, examples: int, rate: float, figure: Figure, log: str, **facts: Any) -> Setting:
    """A batch of MNIST under a rule for labels, against a log of iLRG's authors."""
    rule, epochs = facts.get("rule", "ilrg"), facts.get("epochs", 0)
    trained = f"; trained {epochs} epochs of 32 by momentum SGD, the paper 1,000 iterations" if epochs else ""
    return Setting(
        name=name,
        paper=ILRG,
        case=Case(attack=rule, task="mnist-mlp", examples=examples, draws=20, epochs=epochs),
        figure=figure,
        published=Published(value=rate, where=log, source=LOGS),
        otherwise=f"{FEW}; the hidden layer has 128 units, the paper's 300{trained}{facts.get('more', '')}",
    )


def single(attack: str, task: str, draws: int, **facts: Any) -> Case:
    """One example."""
    return Case(attack=attack, task=task, examples=1, draws=draws, **facts)


SETTINGS = (
    Setting(
        name="dlg-label-mnist",
        paper=DLG,
        case=single("dlg", "mnist-lenet", 16),
        figure="label",
        published=idlg_table(0.899, "MNIST"),
        otherwise=f"{FEW}; two restarts with line search, chosen by mismatch",
        uniform=True,
    ),
    Setting(
        name="dlg-label-photos",
        paper=DLG,
        case=single("dlg", "photos-lenet", 16),
        figure="label",
        published=idlg_table(0.833, "CIFAR-100"),
        data=PHOTOS.format("CIFAR-100") + "; 10 classes instead of 100",
        otherwise="two restarts with line search, chosen by mismatch",
        uniform=True,
    ),
    Setting(
        name="idlg-label-mnist",
        paper=IDLG,
        case=single("idlg-rows", "mnist-lenet", 50),
        figure="label",
        published=idlg_table(1.0, "MNIST"),
        otherwise=f"{FEW}; the rule alone, because no image changes it",
        uniform=True,
    ),
    Setting(
        name="idlg-label-photos",
        paper=IDLG,
        case=single("idlg-rows", "photos-lenet", 50),
        figure="label",
        published=idlg_table(1.0, "CIFAR-100"),
        data=PHOTOS.format("CIFAR-100") + "; 10 classes instead of 100",
        otherwise="the rule alone, because no image changes it",
        uniform=True,
    ),
    Setting(
        name="idlg-label-faces",
        paper=IDLG,
        case=single("idlg", "faces-lenet", 50, options={"steps": 1, "restarts": 1}),
        figure="label",
        published=idlg_table(1.0, "LFW"),
        data=FACES + "; 2 classes instead of one for each person",
        otherwise="one step, because no image changes the label",
        uniform=True,
    ),
    Setting(
        name="ig-lenet-as-published",
        paper=INVERTING,
        case=single(
            "inverting-gradients",
            "photos-lenet",
            6,
            options={"optimiser": "signed-adam", "steps": 4800, "total_variation": 0.01},
        ),
        figure="psnr",
        published=Published(value=18.0, spread=3.33, where="Table 1, untrained LeNet (Zhu)", source=INVERTING.link),
        data=PHOTOS.format("CIFAR-10"),
        otherwise="the label is inferred; images are not normalized; the rate falls along a cosine, not in three steps",
        uniform=True,
    ),
    Setting(
        name="ig-lenet-default",
        paper=INVERTING,
        case=single("inverting-gradients", "photos-lenet", 10),
        figure="psnr",
        published=Published(value=18.0, spread=3.33, where="Table 1, untrained LeNet (Zhu)", source=INVERTING.link),
        data=PHOTOS.format("CIFAR-10"),
        otherwise="the default here: L-BFGS in float64 without total variation; the label is inferred; images are not "
        "normalized",
        uniform=True,
    ),
    Setting(
        name="ig-euclidean-baseline",
        paper=INVERTING,
        case=single("idlg", "photos-lenet", 10),
        figure="psnr",
        published=Published(
            value=46.25,
            spread=12.66,
            where="Table 1, Euclidean loss and L-BFGS, untrained LeNet (Zhu)",
            source=INVERTING.link,
            verified=False,
        ),
        data=PHOTOS.format("CIFAR-10"),
        otherwise="the label is inferred; images are not normalized; two restarts, chosen by mismatch",
        uniform=True,
    ),
    Setting(
        name="linear-layer-exact",
        paper=INVERTING,
        case=single("analytic-linear", "mnist-mlp", 50),
        figure="exact",
        published=Published(value=1.0, where="Proposition 3.1: proved for any data", source=INVERTING.link),
        otherwise="the gradient comes out of a float32 weight difference, so exact means a relative error below 0.001",
    ),
    Setting(
        name="r-gap-cnn6",
        paper=RGAP,
        case=single("r-gap", "photos-cnn6", 8),
        figure="psnr",
        published=Published(
            value=49.01, where="notebook 'R-GAP', one image of CIFAR-10 in a reimplementation", source=NOTEBOOK
        ),
        data=PHOTOS.format("CIFAR-10"),
        otherwise="the paper's own table has mean squared errors, which could not be read offline",
    ),
    Setting(
        name="spear-mnist",
        paper=SPEAR,
        case=Case(attack="spear", task="mnist-wide-mlp", examples=8, draws=16),
        figure="exact",
        published=Published(
            value=0.99,
            where="Table 3, in the words of a public summary",
            source="https://github.com/deep-diver/neurips2024/blob/main/content/posters/lPDxPVS6ix/index.md",
        ),
        network="one hidden layer; the paper's has six layers of 200",
        otherwise=f"{FEW}; 8 examples instead of 20, whose search takes a GPU; exact: relative error below 0.001",
    ),
    Setting(
        name="cocktail-party-photos",
        paper=COCKTAIL,
        case=Case(attack="cocktail-party", task="photos-wide-mlp", examples=32, draws=3),
        figure="psnr",
        data=PHOTOS.format("Tiny ImageNet"),
        network="one hidden layer; the paper's FC2 has two",
        otherwise="the paper's tables could not be read offline, so there is no figure beside ours",
    ),
    Setting(
        name="april-vit",
        paper=APRIL,
        case=single("april", "photos-vit", 10),
        figure="psnr",
        published=Published(
            value=23.9, where="notebook 'APRIL', one image of ImageNet in a reimplementation", source=NOTEBOOK
        ),
        data=PHOTOS.format("ImageNet") + "; 32x32 instead of 224x224",
        network="a small vision transformer; the notebook's has 22 million parameters",
    ),
    Setting(
        name="fedavg-inversion-mnist",
        paper=FEDAVG,
        case=Case(
            attack="fedavg-inversion",
            task="mnist-convnet",
            examples=10,
            draws=2,
            training={"batch_size": 5, "batches": 2, "epochs": 5},
        ),
        figure="images",
        published=Published(value=0.45, where="abstract: more than 45% of the images", source=FEDAVG.link),
        data="MNIST stands for FEMNIST, which cannot be had offline",
        network="three convolutions and a linear layer; the paper's has two of each",
        otherwise="five epochs of two batches instead of ten of ten, for time; the limit of 19 dB is as recalled",
    ),
    ilrg("ilrg-mnist-8", 8, 1.0, "recall", "Experiment2/dnn+mnist+batchsize/exp1.log, IRec"),
    ilrg("ilrg-mnist-24", 24, 1.0, "recall", "Experiment1/exp1.log, IRec"),
    ilrg("ilrg-mnist-24-counts", 24, 0.994, "counts", "Experiment1/exp1.log and README, LnAcc"),
    ilrg("ilrg-mnist-128", 128, 0.963, "recall", "Experiment2/dnn+mnist+batchsize/exp5.log, IRec"),
    ilrg("ilrg-mnist-128-counts", 128, 0.386, "counts", "Experiment2/dnn+mnist+batchsize/exp5.log, LnAcc"),
    ilrg("ilrg-mnist-24-trained", 24, 0.337, "recall", "trained_models/exp6.log, IRec", epochs=10),
    ilrg("minimum-mnist-24", 24, 1.0, "classes", "Experiment1/exp1.log, GI LeAcc", rule="gradinversion-min"),
    ilrg("rlg-mnist-24", 24, 0.932, "classes", "Experiment1/exp1.log, SVD LeAcc", rule="rlg", more=REFUSED),
    ilrg("rlg-mnist-8", 8, 0.786, "classes", "Experiment2/dnn+mnist+batchsize/exp1.log, SVD LeAcc", rule="rlg"),
    Setting(
        name="source-inference-mnist",
        paper=SOURCE,
        case=Case(attack="source-inference", task="mnist-convnet", examples=300, draws=3),
        figure="source",
        published=Published(
            value=0.176,
            where="first round of the authors' code, as a user ran it; their table could not be read offline",
            source="https://github.com/HongshengHu/source-inference-FL/issues/3",
        ),
        network="three convolutions and a linear layer; the paper's has two and three",
        otherwise=f"{FEW}, so about 300 a client; no momentum",
        federation={
            "clients": 10, "partition": "dirichlet", "dirichlet_alpha": 1.0,
            "batch_size": 12, "batches": "all", "epochs": 5, "learning_rate": 0.05,
        },
    ),
)  # fmt: skip
"""Every row of the page, in its order."""
