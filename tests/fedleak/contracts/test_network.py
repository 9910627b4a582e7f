"""Networks by address are built, normalized and frozen as a table says, or refused in one sentence."""

import textwrap

import pytest
import torch
from torch import nn

from fedleak.contracts.network import network_of
from fedleak.errors import ConfigError
from fedleak.learning.source import Source
from fedleak.randomness import seeded
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights

SOURCE = Source("blobs", (3, 16, 16), 4, "blobs")
MODULE = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, num_classes, width):
            super().__init__()
            self.body = nn.Conv2d(3, width, 3)
            self.head = nn.Linear(width, num_classes)

        def forward(self, x):
            return self.head(self.body(x).mean((2, 3)))

    def made(shape, classes, **others):
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], others.get("outputs", classes)))

    def broken(classes):
        raise RuntimeError("no such luck\\nsecond line")

    def tuple_giving(classes):
        class Two(nn.Module):
            def forward(self, x):
                return self.net(x), x
        two = Two()
        two.net = made((3, 16, 16), classes)
        return two

    def lazy(classes):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def wrapped(classes):
        return nn.DataParallel(made((3, 16, 16), classes))

    def half(classes):
        return made((3, 16, 16), classes).half()

    def coarse(classes):
        return made((3, 16, 16), classes).bfloat16()

    def resting(classes):
        network = made((3, 16, 16), classes)
        network[1].eval()
        return network

    class Auxiliary(nn.Sequential):
        def forward(self, x):
            return (super().forward(x), x) if self.training else super().forward(x)

    def auxiliary(classes):
        return Auxiliary(nn.Flatten(), nn.Linear(3 * 16 * 16, classes))

    def no_network(classes):
        return 7

    ready = nn.Linear(3, 4)
"""


def build(network: str, source: Source = SOURCE, folder: object = None, **table: object) -> nn.Module:
    settings = {"data": "blobs", "network": network, "folder": None if folder is None else str(folder), **table}
    with seeded("build"):
        return network_of(TaskSettings.model_validate(settings, strict=False), source)


@pytest.fixture
def folder(tmp_path, own_modules):
    (tmp_path / "strangers_nets.py").write_text(textwrap.dedent(MODULE))
    return tmp_path


def test_a_class_gets_what_it_asks_for_of_the_data(folder) -> None:
    network = build("strangers_nets:Net", folder=folder, options={"width": 6})
    assert network(torch.rand(2, 3, 16, 16)).shape == (2, 4)
    assert network.body.out_channels == 6


def test_a_function_may_take_any_option(folder) -> None:
    assert build("strangers_nets:made", folder=folder, options={"depth": 3})(torch.rand(1, 3, 16, 16)).shape == (1, 4)


def test_a_network_of_ours_takes_options() -> None:
    assert build("convnet", options={"width": 4})[0].out_channels == 4


def test_torchvisions_networks_have_as_many_outputs_as_there_are_classes() -> None:
    network = build("torchvision:resnet18")
    assert network.fc.out_features == 4
    assert build("torchvision:mobilenet_v2", options={"width_mult": 0.5})(torch.rand(2, 3, 16, 16)).shape == (2, 4)


@pytest.mark.parametrize(
    ("network", "table", "sentence"),
    [
        ("strangers_net:Net", {}, "no module is called 'strangers_net'"),
        ("strangers_net:Net", {}, "did you mean 'strangers_nets'?"),
        ("strangers_nets:Nett", {}, "'strangers_nets' has no 'Nett'; did you mean 'Net'?"),
        ("strangers_nets:Net", {}, "strangers_nets:Net needs width; give it in task.options, as in {width = 1}"),
        (
            "strangers_nets:Net",
            {"options": {"widht": 1}},
            "task.options.widht: unknown option of Net; did you mean",
        ),
        (
            "strangers_nets:made",
            {"options": {"outputs": 5}},
            "4 scores of each example, as the data have 4 classes, got",
        ),
        ("strangers_nets:broken", {}, "cannot be made with classes=4: RuntimeError: no such luck"),
        ("strangers_nets:tuple_giving", {}, "to return scores as a tensor, got tuple"),
        ("strangers_nets:auxiliary", {}, "to return scores as a tensor, got tuple in train mode"),
        ("strangers_nets:coarse", {}, "'1.weight' of strangers_nets:coarse is in bfloat16"),
        ("strangers_nets:resting", {}, "'the model' is in train mode and '1' in eval mode"),
        ("strangers_nets:no_network", {}, "expected a torch.nn.Module from strangers_nets:no_network, got int"),
        ("strangers_nets:ready", {}, "as a class or function that makes a network, got Linear"),
        ("os:system", {}, "'os' is a module of Python itself"),
        ("strangers_nets:", {}, "expected MODULE:NAME"),
        ("torchvision:resnet19", {}, "torchvision has no network called 'resnet19'; did you mean 'resnet18'?"),
        ("torchvision:resnet18", {"options": {"weights": "IMAGNET"}}, "resnet18 has no weights called"),
        ("torchvision:resnet18", {"options": {"widths": 1}}, "torchvision:resnet18 cannot be made with"),
        ("timm:resnet18", {}, "timm:resnet18 needs the package timm"),
        ("convnett", {}, "task.network: no model is called 'convnett'; did you mean 'convnet'?"),
        ("lenet", {"freeze": ["5"]}, "task.freeze: '5' fits no parameter"),
        ("convnet", {"freeze": ["*"]}, "expected something to train, got every parameter frozen"),
        ("convnet", {"normalize": {"mean": [0.5, 0.5], "std": [1.0, 1.0]}}, "a mean for each of 3 channels, got 2"),
    ],
)
def test_what_cannot_be_built_is_refused(folder, network, table, sentence) -> None:
    with pytest.raises(ConfigError) as refused:
        build(network, folder=folder, **table)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_network_that_does_not_run_on_the_data_is_refused(folder) -> None:
    gray = Source("gray", (1, 16, 16), 4, "gray")
    with pytest.raises(ConfigError, match=r"does not run on an example of shape \(1, 16, 16\)"):
        build("strangers_nets:Net", gray, folder=folder, options={"width": 2})


def test_normalization_stands_in_front_and_changes_no_name() -> None:
    plain, normalized = build("convnet"), build("convnet", normalize={"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]})
    assert list(plain.state_dict()) == list(normalized.state_dict())
    images = torch.rand(2, 3, 16, 16)
    scaled = (images - torch.tensor([0.4, 0.5, 0.6])[:, None, None]) / torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    assert torch.allclose(normalized(images), plain(scaled), atol=1e-6)


def test_frozen_parameters_are_found_by_name_module_and_pattern() -> None:
    network = build("torchvision:resnet18", freeze=["conv1", "layer[12]*", "fc.bias"])
    frozen = {name for name, one in network.named_parameters() if not one.requires_grad}
    assert {"conv1.weight", "fc.bias", "layer1.0.conv1.weight", "layer2.1.bn2.bias"} <= frozen
    assert not {"fc.weight", "bn1.weight", "layer3.0.conv1.weight"} & frozen


def test_networks_are_taken_as_people_have_them(folder) -> None:
    assert build("strangers_nets:half", folder=folder)[1].weight.dtype is torch.float16
    assert list(build("strangers_nets:wrapped", folder=folder).state_dict()) == ["1.weight", "1.bias"]
    first = build("strangers_nets:lazy", folder=folder)
    table = {"data": "blobs", "network": "strangers_nets:lazy", "folder": str(folder)}
    with seeded("build"):
        same = network_of(TaskSettings.model_validate(table, strict=False), SOURCE)
    with seeded("another"):
        other = network_of(TaskSettings.model_validate(table, strict=False), SOURCE)
    assert torch.equal(first[1].weight, same[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights() -> None:
    table = TaskSettings.model_validate({"data": "photos", "network": "torchvision:resnet18", "freeze": ("conv1",)})
    one, same, other = (initial_weights(table, seed) for seed in (3, 3, 4))
    assert "conv1.weight" in one.buffers
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.parameters["fc.weight"], other.parameters["fc.weight"])
