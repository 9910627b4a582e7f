"""A stranger's module is observed as plain torch trains it, whatever it is made of, or refused in a sentence."""

import copy
import warnings
from collections import namedtuple
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedleak.api import attack, observe, score
from fedleak.errors import ConfigError
from fedleak.randomness import generator

IMAGES = torch.rand(2, 3, 6, 6, generator=generator("images"))
LABELS = torch.tensor([0, 2])
Outputs = namedtuple("Outputs", ["logits", "aux"])


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.Sigmoid(), nn.Linear(16, 4))


def convolutions() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(64, 4))


class Around(nn.Module):
    """A function of the scores of a network, and parameters that have no part in them."""

    def __init__(self, of: Callable[[Tensor], object] = lambda scores: scores) -> None:
        super().__init__()
        self.net, self.of, self.unused = mlp(), of, nn.Linear(16, 4)

    def forward(self, images: Tensor) -> object:
        return self.of(self.net(images))


class Tied(nn.Module):
    """Layers that share a weight, and a buffer that is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.other = nn.Linear(108, 9), nn.Linear(9, 9), nn.Linear(9, 9)
        self.other.weight = self.one.weight
        self.head = nn.Linear(9, 4)
        self.register_buffer("shift", self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        inner = torch.sigmoid(self.one(torch.sigmoid(self.stem(images.flatten(1)))))
        return self.head(torch.sigmoid(self.other(inner))) + self.shift


class TiedHead(nn.Module):
    """The head's weight is also that of a layer within."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.back, self.head = (
            nn.Linear(108, 9),
            nn.Linear(9, 4),
            nn.Linear(4, 9),
            nn.Linear(9, 4),
        )
        self.head.weight = self.inner.weight

    def forward(self, images: Tensor) -> Tensor:
        inner = self.inner(torch.sigmoid(self.stem(images.flatten(1))))
        return self.head(torch.sigmoid(self.back(torch.sigmoid(inner))))


class Keeping(nn.Module):
    """Keeps what it computed."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, images: Tensor) -> Tensor:
        self.last = self.net(images)
        return self.last


class Counting(nn.Module):
    """Has whole numbers and no numbers for buffers, and writes to one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("order", torch.arange(4), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.net(images)[:, self.order]


def transposed() -> nn.Module:
    network = mlp()
    network[1].weight = nn.Parameter(torch.randn(108, 16).mul(0.1).T)
    return network


def normed(layer: int, *, older: bool, used: bool = False, spectral: bool = False) -> nn.Module:
    network, kind = convolutions(), "spectral_norm" if spectral else "weight_norm"
    with warnings.catch_warnings(action="ignore"):
        getattr(nn.utils if older else nn.utils.parametrizations, kind)(network[layer])
    if used:
        network(IMAGES)
    return network


def with_attention() -> nn.Module:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.TransformerEncoderLayer(18, 2, 9, dropout=0.0, batch_first=True), nn.Linear(18, 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.body(images.transpose(1, 2).flatten(2))[:, 0])

    return Encoder()


MADE = {
    "tied": Tied,
    "tied head": TiedHead,
    "unused": Around,
    "logits by name": lambda: Around(lambda scores: {"logits": scores, "loss": None}),
    "keeping": lambda: used(Keeping()),
    "counting": Counting,
    "transposed": transposed,
    "channels last": lambda: convolutions().to(memory_format=torch.channels_last),
    "weight norm": lambda: normed(3, older=False),
    "older weight norm": lambda: normed(0, older=True, used=True),
    "spectral norm": lambda: normed(0, older=False, spectral=True),
    "older spectral norm": lambda: normed(3, older=True, used=True, spectral=True),
    "attention": with_attention,
}


def used(network: nn.Module) -> nn.Module:
    network(IMAGES)
    return network


def trained(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """How far a step of torch's own SGD moves each parameter."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    outputs = network(images)
    F.cross_entropy(outputs["logits"] if isinstance(outputs, dict) else outputs, labels).backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    return {name: value.detach() - before[name] for name, value in network.named_parameters()}


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = MADE[name]()
    return network


PER_EXAMPLE = {"use": "dp-sgd", "max_norm": 1e6, "noise_multiplier": 0.0}


# Each run of a network under spectral norm moves its estimate, so that examples by themselves are not the batch.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "defense"),
    [*((name, []) for name in MADE), *((name, [PER_EXAMPLE]) for name in MADE if "spectral" not in name)],
)
def test_the_update_is_that_of_plain_training(name: str, defense: list[dict[str, object]]) -> None:
    captured = observe(built(name), IMAGES, LABELS, defense=defense)
    update, expected = captured.observation.update.tensors, trained(built(name), IMAGES, LABELS)
    size = max(float(value.abs().max()) for value in expected.values())
    assert all(torch.allclose(value, expected.pop(name), atol=1e-4 * size) for name, value in update.items())
    assert not any(value.any() for value in expected.values())  # what is not sent was not trained
    assert attack(captured, "dlg", steps=2).failure is None


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_a_label_is_read_off_the_head_s_own_gradient(name: str) -> None:
    captured = observe(built(name), IMAGES[:1], LABELS[1:])
    assert score(attack(captured, "auto-labels"), captured, ["label-recall"])[0].value == 1
    assert score(attack(captured, "inverting-gradients", steps=2), captured, ["label-recall"])[0].value == 1


@pytest.mark.parametrize("name", ["unused", "logits by name", "keeping", "counting", "transposed"])
def test_an_exact_attack_still_is(name: str) -> None:
    captured = observe(built(name), IMAGES[:1], LABELS[:1])
    assert score(attack(captured, "analytic-linear"), captured, ["psnr"])[0].value > 60


def test_an_exact_attack_is_refused_where_the_layer_s_weight_is_not_its_own() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other, self.head = nn.Linear(108, 108), nn.Linear(108, 108), nn.Linear(108, 4)
            self.other.weight = self.one.weight

        def forward(self, images: Tensor) -> Tensor:
            return self.head(torch.sigmoid(self.other(torch.sigmoid(self.one(images.flatten(1))))))

    for name in ("analytic-linear", "spear", "cocktail-party"):
        assert "is tied to 'other.weight'" in str(attack(observe(First(), IMAGES, LABELS), name).failure)


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [nn.DataParallel, lambda network: torch.compile(network, backend="eager")])
def test_a_network_is_taken_out_of_its_wrapper(wrapped: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    network = convolutions()
    update = observe(wrapped(copy.deepcopy(network)), IMAGES, LABELS).observation.update
    plain = observe(network, IMAGES, LABELS).observation.update
    assert list(update.tensors) == list(plain.tensors)
    assert torch.equal(update.vector(), plain.vector())
    inner = nn.Sequential(wrapped(network[0]), *network[1:])
    assert torch.equal(observe(inner, IMAGES, LABELS).observation.update.vector(), plain.vector())


class Complex(nn.Module):
    """Has a complex parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.turn = mlp(), nn.Parameter(torch.ones(4, dtype=torch.complex64))

    def forward(self, images: Tensor) -> Tensor:
        return (self.net(images) * self.turn).abs()


def hooked() -> nn.Module:
    network = mlp()
    network[3].weight.register_hook(lambda slope: 2 * slope)
    return network


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return mlp()


class InPlace(nn.Module):
    """Changes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, images: Tensor) -> Tensor:
        images -= 0.5
        return self.net(images)


class TwoInputs(nn.Module):
    """Takes another input besides the images."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        return self.net(images * masks)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda: mlp, "expected the model as an instance of torch.nn.Module, got function"),
        (lambda: Complex, "expected the model as an instance of torch.nn.Module, got the class Complex"),
        (Complex, "expected real parameters, got 'turn' of the model in torch.complex64"),
        (hooked, "'3.weight' of the model has a hook on its gradient"),
        (on_meta, "'1.weight' of the model is on the meta device and has no values"),
        (InPlace, "the model changes the images that it is given in place"),
        (TwoInputs, "missing 1 required positional argument: 'masks'); expected a module that takes a batch of images"),
        (lambda: Around(lambda scores: (scores,)), "to return scores as a tensor, got tuple in train mode; wrap it in"),
        (lambda: Around(lambda scores: Outputs(scores, scores)), "without the auxiliary ones (aux_logits = False)"),
        (lambda: Around(lambda scores: scores.detach()), "no gradient reaches the parameters of the model"),
        (lambda: Around(lambda scores: scores.argmax(1)), "to return scores as floats, got torch.int64"),
        (lambda: Around(lambda scores: scores.mean(0)), "of shape (batch, classes), got shape (4,) for 2 examples"),
    ],
)
def test_what_cannot_be_trained_on_given_weights_is_refused(network: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        observe.__wrapped__(network(), IMAGES, LABELS)  # type: ignore[attr-defined]  # without the types' own complaint
    assert str(refused.value).startswith("observe: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_torchscript_is_refused() -> None:
    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.trace(mlp(), IMAGES)
    with pytest.raises(ConfigError, match="observe: the model is TorchScript"):
        observe(scripted, IMAGES, LABELS)
