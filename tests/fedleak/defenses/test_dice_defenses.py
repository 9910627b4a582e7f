"""Laws of the defenses that put dice into a network: dropout and PRECODE."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.parts.dense import dense_layers, in_front
from fedleak.defenses.precode import divergence
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Penalty, Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded
from fedleak.tasks import initial_weights, weights_of


@pytest.fixture
def task() -> Task:
    with seeded("dice defenses"):
        layers = (nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 4))
        return Task("tiny-convnet", nn.Sequential(*layers), (1, 6, 6), 4)


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.rand(3, 1, 6, 6, generator=generator("images")), torch.tensor([0, 1, 3]))


def hardened_by(task: Task, name: str, **options: object) -> Task:
    with seeded("fresh layers"):
        return Chain((defenses.build(name, options),)).task(task)


@pytest.mark.parametrize("name", ["dropout", "precode"])
def test_a_hardened_task_has_the_same_base_weights_for_the_same_seed(name: str) -> None:
    chain = Chain((defenses.build(name, {}),))
    plain = initial_weights("digits-mlp", 7)
    one, other = (initial_weights("digits-mlp", 7, chain) for _ in range(2))
    for label, value in plain.parameters.items():
        assert torch.equal(value, one.parameters[label]), label
    for label, value in one.parameters.items():
        assert torch.equal(value, other.parameters[label]), label


@pytest.mark.parametrize("name", ["dropout", "precode"])
def test_a_hardened_task_draws_nothing_in_eval_mode_whatever_its_base_did_before(
    name: str, task: Task, batch: Batch
) -> None:
    for mode in ("train", "eval"):
        task.logits(weights_of(task.network), batch.inputs, mode=mode)
        guarded = hardened_by(task, name)
        one, other = (guarded.logits(weights_of(guarded.network), batch.inputs, mode="eval") for _ in range(2))
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["dropout", "precode"])
def test_the_task_that_is_hardened_is_left_alone(name: str, task: Task, batch: Batch) -> None:
    before, names = task.logits(weights_of(task.network), batch.inputs), list(task.network.state_dict())
    hardened_by(task, name)
    assert list(task.network.state_dict()) == names
    assert torch.equal(task.logits(weights_of(task.network), batch.inputs), before)


@pytest.mark.parametrize("name", ["dropout", "precode"])
def test_a_network_without_a_dense_layer_is_refused(name: str) -> None:
    layers = (nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    task = Task("convolutions", nn.Sequential(*layers), (1, 6, 6), 4)
    with pytest.raises(ConfigError, match=f"'{name}' acts on what enters a dense layer.*only Conv2d; choose"):
        Chain((defenses.build(name, {}),)).task(task)


def test_dropout_of_nothing_is_the_plain_update(task: Task, batch: Batch) -> None:
    chain, training = Chain((defenses.build("dropout", {"rate": 0.0, "behind": "both"}),)), LocalTraining(batch_size=3)
    before = weights_of(task.network)
    plain = client_round(task, before, batch, training, Chain(), ("dice",)).weights
    sent = client_round(chain.task(task), before, batch, training, chain, ("dice",)).weights
    for name, value in plain.parameters.items():
        assert torch.allclose(value, sent.parameters[name], atol=1e-7)


@pytest.mark.parametrize(("behind", "places"), [("features", 1), ("activations", 2), ("both", 3)])
def test_dropout_is_where_it_should_be_and_checkpoints_still_fit(behind: str, places: int, task: Task) -> None:
    network = hardened_by(task, "dropout", behind=behind, rate=0.3).network
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.3] * places
    assert list(network.state_dict()) == list(task.network.state_dict())


def test_dropped_features_keep_their_mean_and_none_is_dropped_in_eval_mode(task: Task, batch: Batch) -> None:
    dropped, weights = hardened_by(task, "dropout", rate=0.4), weights_of(task.network)
    many = batch.inputs[:1].expand(4000, -1, -1, -1)
    with seeded("means"):
        mean = dropped.logits(weights, many).mean(0)
    assert torch.allclose(mean, task.logits(weights, batch.inputs[:1])[0], atol=0.02)
    assert torch.equal(
        dropped.logits(weights, batch.inputs, mode="eval"), task.logits(weights, batch.inputs, mode="eval")
    )


def test_two_of_a_kind_both_act(task: Task) -> None:
    network = in_front(in_front(task.network, "5", "dropout", nn.Dropout(0.1)), "5", "dropout", nn.Dropout(0.2))
    seen: list[float] = []
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(lambda layer, *_: seen.append(layer.p))
    network(torch.rand(1, 1, 6, 6))
    assert seen == [0.1, 0.2]
    assert dense_layers(hardened_by(task, "precode").network) == ["3", "5"]


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_precode_s_gradient_is_that_of_a_loss_written_by_hand(mode: str, beta: float, task: Task, batch: Batch) -> None:
    hard = hardened_by(task, "precode", codes=6, beta=beta)
    weights = weights_of(hard.network)
    with seeded("noise"):
        found = hard.gradients(weights, batch.inputs, batch.labels, mode=mode)
    with seeded("noise"):
        noise = torch.randn(3, 6) if mode == "train" else torch.zeros(3, 6)
    at = {name: value.clone().requires_grad_() for name, value in weights.parameters.items()}
    features = F.relu(F.conv2d(batch.inputs, at["0.weight"], at["0.bias"])).flatten(1)
    features = F.relu(F.linear(features, at["3.weight"], at["3.bias"]))
    coded = F.linear(features, at["5.bottleneck.encoder.weight"], at["5.bottleneck.encoder.bias"])
    mean, deviation = coded[:, :6], F.softplus(coded[:, 6:])
    code = mean + noise * deviation
    decoded = F.linear(code, at["5.bottleneck.decoder.weight"], at["5.bottleneck.decoder.bias"])
    normal = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    apart = torch.distributions.kl_divergence(torch.distributions.Normal(mean, deviation), normal)
    loss = F.cross_entropy(F.linear(decoded, at["5.weight"], at["5.bias"]), batch.labels)
    (loss + beta * apart.sum(1).mean()).backward()
    for name, value in at.items():
        assert torch.allclose(found[name], value.grad, atol=1e-6), name


@pytest.mark.slow
def test_precode_s_gradient_can_be_differentiated_again_and_transformed(task: Task, batch: Batch) -> None:
    smooth = replace(task, network=nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 4)))
    hard = hardened_by(smooth, "precode", codes=6, beta=0.5)
    weights = weights_of(hard.network)
    double = Weights({name: value.double() for name, value in weights.parameters.items()}, {})

    def length(inputs: torch.Tensor) -> torch.Tensor:
        slopes = hard.gradients(double, inputs, batch.labels, mode="eval", create_graph=True)
        return torch.stack([slope.square().sum() for slope in slopes.values()]).sum()

    assert torch.autograd.gradcheck(length, batch.inputs.double().requires_grad_())

    def loss(parameters: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return hard.loss(Weights(parameters, {}), image[None], label[None], mode="eval")

    each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(weights.parameters, batch.inputs, batch.labels)
    whole = hard.gradients(weights, batch.inputs, batch.labels, mode="eval")
    for name, value in whole.items():
        assert torch.allclose(each[name].mean(0), value, atol=1e-6), name


def test_the_divergence_is_zero_for_a_standard_normal_code() -> None:
    assert divergence(torch.zeros(2, 5), torch.ones(2, 5)).tolist() == [0.0, 0.0]
    assert (divergence(torch.ones(2, 5), torch.ones(2, 5)) > 0).all()


def test_a_chain_of_both_rolls_both_dice(task: Task, batch: Batch) -> None:
    chain = Chain((defenses.build("precode", {"codes": 6}), defenses.build("dropout", {})))
    hard = chain.task(task)
    assert {"dropout", "bottleneck"} <= {name.split(".")[-1] for name, _ in hard.network.named_modules()}
    assert hard.logits(weights_of(hard.network), batch.inputs).shape == (3, 4)


def test_who_knows_of_precode_leaves_out_what_comes_after_the_draw(task: Task) -> None:
    sent = Update(weights_of(hardened_by(task, "precode", codes=6).network).parameters, UpdateKind.GRADIENT)
    hidden = {name for name, mask in defenses.build("precode", {}).observed_mask(sent).items() if not mask.any()}
    after = {"5.weight", "5.bias", "5.bottleneck.decoder.weight", "5.bottleneck.decoder.bias"}
    assert hidden == after


def test_a_penalty_joins_the_loss_and_leaves_no_hook_behind(task: Task, batch: Batch) -> None:
    weights = weights_of(task.network)
    taxed = replace(task, penalties=(Penalty("3", lambda given: given.square().mean()),))
    features = task.network[:4](batch.inputs)
    for _ in range(2):
        expected = task.loss(weights, batch.inputs, batch.labels) + features.square().mean()
        assert torch.allclose(taxed.loss(weights, batch.inputs, batch.labels), expected)
    assert not task.network[3]._forward_hooks
