"""The rows of the comparison with papers: settings here that come nearest to theirs, for `reproduction.py`."""

from typing import Any

from label_rows import FEW, LABELS
from measuring import Case
from papers import APRIL, BREACHING, FEDAVG, INVERTING, LOKI, RGAP, SOURCE, SPEAR, Figure, Paper, Published, Setting

NOTEBOOKS = "https://github.com/JonasGeiping/breaching/tree/main/examples"
SMALL = "64 images of ImageNet at 32x32 instead of 224x224"
TABLE = "Table 1, {}"
EVALUATION = {"mode": "eval"}
TRAINED = "trained 20 epochs of 32 on 2,400 images, to a test accuracy of .37; the paper's to convergence on 50,000"
PLAIN = "the label is inferred; images are not normalized"
PUBLISHED_STEPS = {"optimiser": "signed-adam", "steps": 4800, "total_variation": 0.01}


def image(
    name: str, paper: Paper, attack: str, task: str, published: Published, figure: Figure = "psnr", **facts: Any
) -> Setting:
    """A row whose facts are those of a `Case` and, in the words of the page, of a `Setting`."""
    words = {key: facts.pop(key) for key in ("data", "network", "otherwise", "uniform") if key in facts}
    case = Case(attack=attack, task=task, **{"examples": 1, "draws": 10, **facts})
    return Setting(name=name, paper=paper, case=case, figure=figure, published=published, **words)


def of_table(value: float, spread: float, place: str, *, verified: bool = False) -> Published:
    """Of Table 1 of Inverting Gradients."""
    return Published(value=value, spread=spread, where=TABLE.format(place), source=INVERTING.link, verified=verified)


def notebook(value: float, name: str) -> Published:
    """One run in a notebook of breaching."""
    return Published(value=value, where=f"notebook '{name}', one run", source=NOTEBOOKS)


IMAGES = (
    image(
        "ig-lenet-as-published", INVERTING, "inverting-gradients", "cifar10-lenet",
        of_table(18.0, 3.33, "untrained LeNet (Zhu)", verified=True), options=PUBLISHED_STEPS, uniform=True,
        otherwise=f"{PLAIN}; the rate falls along a cosine, not in three steps",
    ),
    image(
        "ig-lenet-default", INVERTING, "inverting-gradients", "cifar10-lenet",
        of_table(18.0, 3.33, "untrained LeNet (Zhu)", verified=True), draws=20, uniform=True,
        otherwise=f"the default here: L-BFGS in float64 without total variation; {PLAIN}",
    ),
    image(
        "ig-lenet-trained", INVERTING, "inverting-gradients", "cifar10-lenet",
        of_table(18.08, 4.27, "trained LeNet (Zhu)"),
        options={**PUBLISHED_STEPS, "steps": 1200}, uniform=True, epochs=20,
        network=TRAINED, otherwise=f"{PLAIN}; 1,200 steps instead of 4,800",
    ),
    image(
        "ig-euclidean", INVERTING, "idlg", "cifar10-lenet",
        of_table(46.25, 12.66, "Euclidean loss and L-BFGS, untrained LeNet (Zhu)"), draws=20, uniform=True,
        otherwise=f"{PLAIN}; two restarts, chosen by mismatch",
    ),
    image(
        "ig-euclidean-trained", INVERTING, "idlg", "cifar10-lenet",
        of_table(13.24, 5.44, "Euclidean loss and L-BFGS, trained LeNet (Zhu)"), draws=20, uniform=True, epochs=20,
        network=TRAINED, otherwise=f"{PLAIN}; two restarts, chosen by mismatch",
    ),
    image(
        "ig-resnet20", INVERTING, "inverting-gradients", "cifar10-resnet20x4",
        of_table(19.83, 2.96, "untrained ResNet20-4"), options={"steps": 250}, training=EVALUATION,
        otherwise=f"{PLAIN}; 250 steps instead of 4,800, their rate down a cosine",
    ),
    image(
        "linear-layer-exact", INVERTING, "analytic-linear", "mnist-mlp",
        Published(value=1.0, where="Proposition 3.1: proved for any data", source=INVERTING.link), "exact", draws=50,
        otherwise="the gradient comes out of a float32 weight difference, so exact means a relative error below 0.001",
    ),
    image(
        "ig-resnet18-batch", BREACHING, "inverting-gradients", "cifar10-resnet18",
        notebook(20.78, "Inverting Gradients, Federated Averaging, which takes ResNet-18 and CIFAR-10"),
        examples=4, options={"steps": 70}, training={
            **EVALUATION, "batch_size": 2, "batches": 2, "epochs": 2, "learning_rate": 0.001,
        },
        otherwise=f"{PLAIN}; 70 steps instead of 24,000; the four local steps are taken for one",
    ),
    image(
        "ig-resnet18-imagenet", BREACHING, "inverting-gradients", "imagenet-resnet18",
        notebook(14.21, "Inverting Gradients, ResNet18 on ImageNet"), options={"steps": 150}, training=EVALUATION,
        data=SMALL, network="untrained, with the stem for small images; the notebook's is trained on ImageNet",
        otherwise=f"{PLAIN}; 150 steps instead of 24,000",
    ),
    image(
        "grad-inversion-imagenet", BREACHING, "grad-inversion", "imagenet-bn-convnet",
        notebook(13.92, "See through Gradients, ResNet50 on ImageNet"),
        data=SMALL, network="three convolutions with BatchNorm, untrained; the notebook's is a trained ResNet-50",
        otherwise=f"{PLAIN}; 500 steps of four restarts; statistics of the batch come with the update",
    ),
    image(
        "r-gap-cnn6", RGAP, "r-gap", "cifar10-cnn6",
        notebook(49.01, "R-GAP"),
        otherwise="the paper's own table has mean squared errors, which were not found; the label is inferred",
    ),
    image(
        "april-vit", APRIL, "april", "imagenet-vit",
        notebook(23.9, "APRIL"), draws=20,
        data=SMALL, network="a small vision transformer; the notebook's has 22 million parameters",
    ),
    image(
        "spear-mnist", SPEAR, "spear", "mnist-six-layers",
        Published(
            value=0.99, where="Table 3, in the words of a public summary",
            source="https://github.com/deep-diver/neurips2024/blob/main/content/posters/lPDxPVS6ix/index.md",
        ),
        "exact", examples=20, draws=20,
        otherwise=f"{FEW}; untrained; exact: relative error below 0.001",
    ),
    image(
        "fedavg-inversion-mnist", FEDAVG, "fedavg-inversion", "mnist-convnet",
        Published(value=0.45, where="abstract: more than 45% of the images", source=FEDAVG.link),
        "images", examples=10, training={"batch_size": 5, "batches": 2, "epochs": 5},
        data="MNIST stands for FEMNIST",
        network="three convolutions and a linear layer; the paper's has two of each",
        otherwise="five epochs of two batches instead of ten of ten, for time; the limit of 19 dB is as recalled",
    ),
)  # fmt: skip
"""Images, exact batches and linear layers."""

SOURCES = (
    Setting(
        name="source-inference-mnist",
        paper=SOURCE,
        case=Case(attack="source-inference", task="mnist-two-convolutions", examples=300, draws=10),
        figure="source",
        published=Published(
            value=0.176,
            where="first round of the authors' code, as a user ran it; their table was not found",
            source="https://github.com/HongshengHu/source-inference-FL/issues/3",
        ),
        otherwise=f"{FEW}, so about 300 a client; no momentum",
        federation={
            "clients": 10, "partitioner": "DirichletPartitioner", "partitioner_options": {"alpha": 1.0},
            "batch_size": 12, "batches": "all", "epochs": 5, "learning_rate": 0.05,
        },
    ),
)  # fmt: skip

NOTEBOOK = "https://github.com/Manishpandey-0/Adversarial-reconstruction-attack-on-FL-using-LOKI"
TEN_CLIENTS: dict[str, Any] = {
    "clients": 10, "batch_size": 8, "batches": 8, "defense": [{"use": "secure-aggregation", "binds_model": False}],
}  # fmt: skip
"""The federation of the notebook: ten clients, each with 64 images in eight local steps; masks as in the protocol's
paper, for clients are sent different models."""
PRIOR = Published(value=0.01, where="abstract of LOKI: prior work, less than 1% of the images", source=LOKI.link)


def collected(
    name: str, server: str, published: Published, otherwise: str, network: str = "", **options: Any
) -> Setting:
    """A row of a server that plants something, in that federation."""
    return Setting(
        name=name,
        paper=LOKI,
        case=Case(attack=f"{server}-readout", task="cifar10-convnet", examples=640, draws=10),
        figure="collected",
        published=published,
        network=network,
        otherwise=otherwise,
        federation={**TEN_CLIENTS, "server": [{"use": server, **options}]},
    )


PLANTED = (
    collected(
        "loki-cifar", "loki",
        Published(value=0.875, where="the paper's code, one run of a user on CIFAR-10", source=NOTEBOOK),
        "the notebook counts images that are alone in a bin (41.1 dB in the mean), here those at 40 dB or more; bins "
        "by 256 public images; each client has a mark, so that images are quotients; learning rate 0.1, not 0.0001",
        network="three convolutions behind the module; the notebook's ResNet-50",
        sets=10, bins=256,
    ),
    collected(
        "imprint-cifar-256", "imprint", PRIOR, "as many rows as LOKI's; read: 40 dB or more", bins=256,
        network="ten clients instead of 100, which the figure is of",
    ),
    collected(
        "imprint-cifar-2560", "imprint", PRIOR,
        "ten times as many rows, so as many weights as LOKI's have; read: 40 dB or more",
        bins=2560, network="ten clients instead of 100, which the figure is of",
    ),
)  # fmt: skip
"""What malicious servers collect through a sum."""

PAPERS = tuple(dict.fromkeys(one.paper.name for one in (*LABELS, *IMAGES, *SOURCES, *PLANTED)))
SETTINGS = tuple(sorted((*LABELS, *IMAGES, *SOURCES, *PLANTED), key=lambda one: PAPERS.index(one.paper.name)))
"""Every row of the page, in its order: those of a paper stand together."""
