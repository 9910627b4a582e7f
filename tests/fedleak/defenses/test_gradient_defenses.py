"""Laws of Soteria, CENSOR and GradDefense, which act on the gradient of a local step."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.censor import orthogonal
from fedleak.defenses.grad_defense import sensitivities
from fedleak.defenses.soteria import feature_sensitivity
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of

NOTHING = [
    ("soteria", {"fraction": 0.0}),
    ("censor", {"trials": 0}),
    ("grad-defense", {"scale": 0.0}),
    ("grad-defense", {"perturbed": 0}),
]


@pytest.fixture
def step() -> Step:
    with seeded("gradient defenses"):
        layers = (nn.Conv2d(1, 3, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(48, 20), nn.Tanh(), nn.Linear(20, 4))
        task = Task("tiny-convnet", nn.Sequential(*layers), (1, 6, 6), 4)
    batch = Batch(torch.rand(3, 1, 6, 6, generator=generator("images")), torch.tensor([0, 1, 3]))
    return Step(task=task, weights=weights_of(task.network), examples=batch, mode="train")


@pytest.mark.parametrize(("name", "options"), NOTHING)
def test_a_defense_that_does_nothing_leaves_the_plain_update(name: str, options: dict[str, object], step: Step) -> None:
    chain, training = Chain((defenses.build(name, options),)), LocalTraining(batch_size=2, batches=2)
    plain, sent = (
        client_round(step.task, step.weights, step.examples, training, used, ("dice",)).weights
        for used in (Chain(), chain)
    )
    for name_, value in plain.parameters.items():
        assert torch.allclose(value, sent.parameters[name_], atol=1e-7)


@pytest.mark.parametrize("name", ["soteria", "censor", "grad-defense"])
def test_the_same_dice_give_the_same_gradient_and_weights_are_left_alone(name: str, step: Step) -> None:
    held = step.weights.clone()
    one, two = (defenses.build(name, {}).gradient(step, generator(1)) for _ in range(2))
    assert all(torch.equal(one[label], two[label]) for label in one)
    assert all(torch.equal(value, step.weights.parameters[label]) for label, value in held.parameters.items())


def test_soteria_prunes_columns_of_the_first_dense_layer_and_nothing_else(step: Step) -> None:
    exact = replace(defenses.build("soteria", {"fraction": 0.75}), probes=None)
    plain, sent = step.gradient(), exact.gradient(step, generator(0))
    for name in set(plain) - {"3.weight"}:
        assert torch.equal(plain[name], sent[name]), name
    kept = sent["3.weight"].any(0)
    assert int(kept.sum()) == 12
    assert torch.equal(sent["3.weight"][:, kept], plain["3.weight"][:, kept])
    least = feature_sensitivity(step, "3", None, generator(0)).argsort()[:36]
    assert not kept[least].any()


@pytest.mark.slow
def test_soteria_s_measure_is_the_derivative_by_the_input_over_the_feature(step: Step) -> None:
    conv = step.weights.parameters["0.weight"], step.weights.parameters["0.bias"]

    def features(image: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(nn.functional.conv2d(image[None], *conv)).flatten()

    expected = torch.zeros(48)
    for image in step.examples.inputs:
        slopes = torch.autograd.functional.jacobian(features, image).flatten(1).norm(dim=1)
        expected += slopes / features(image).abs()
    assert torch.allclose(feature_sensitivity(step, "3", None, generator(0)), expected, rtol=1e-4)
    probed = feature_sensitivity(step, "3", 2000, generator(0))
    assert torch.allclose(probed, expected, rtol=0.15)


def test_who_knows_of_soteria_leaves_the_pruned_columns_out(step: Step) -> None:
    soteria = defenses.build("soteria", {"fraction": 0.75})
    sent = Update(soteria.gradient(step, generator(0)), UpdateKind.GRADIENT)
    visible = soteria.observed_mask(sent)
    assert torch.equal(visible["3.weight"], (sent.tensors["3.weight"] != 0).any(0).expand(20, 48))
    assert all(mask.all() for name, mask in visible.items() if name != "3.weight")
    assert defenses.build("soteria", {"fraction": 0.0}).observed_mask(sent) is None


def test_soteria_needs_a_dense_layer() -> None:
    layers = (nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    task = Task("convolutions", nn.Sequential(*layers), (1, 6, 6), 4)
    with pytest.raises(ConfigError, match="'soteria' acts on what enters a dense layer"):
        Chain((defenses.build("soteria", {}),)).task(task)


def test_soteria_sees_tokens_as_one_representation() -> None:
    layers = (nn.Flatten(2), nn.Linear(9, 5), nn.Tanh(), nn.Flatten(), nn.Linear(10, 4))
    with seeded("tokens"):
        task = Task("tokens", nn.Sequential(*layers), (2, 3, 3), 4)
    batch = Batch(torch.rand(2, 2, 3, 3, generator=generator("tokens")), torch.tensor([0, 1]))
    step = Step(task=task, weights=weights_of(task.network), examples=batch, mode="train")
    sent = defenses.build("soteria", {"fraction": 0.5}).gradient(step, generator(0))
    assert int(sent["1.weight"].any(0).sum()) == 5


def test_censor_s_gradient_is_orthogonal_to_the_true_one_and_as_long_layer_by_layer(step: Step) -> None:
    plain, sent = step.gradient(), defenses.build("censor", {"trials": 3}).gradient(step, generator(0))
    for name, value in plain.items():
        length = float(value.norm())
        assert abs(float((value * sent[name]).sum())) < 1e-5 * length**2, name
        assert float(sent[name].norm()) == pytest.approx(length, rel=1e-5)


def test_censor_keeps_the_trial_of_lowest_loss(step: Step) -> None:
    plain, dice = step.gradient(), generator(3)

    def loss_after(direction: NamedTensors) -> float:
        moved = {name: value - direction[name] for name, value in step.weights.parameters.items()}
        return float(step.task.loss(Weights(moved, {}), step.examples.inputs, step.examples.labels))

    losses = [loss_after({name: orthogonal(value, dice) for name, value in plain.items()}) for _ in range(6)]
    sent = defenses.build("censor", {"trials": 6, "trial_rate": 1.0}).gradient(step, generator(3))
    assert loss_after(sent) == pytest.approx(min(losses), rel=1e-6)


def test_what_has_no_orthogonal_direction_becomes_zero() -> None:
    assert orthogonal(torch.tensor([3.0]), generator(0)).tolist() == [0.0]
    assert orthogonal(torch.zeros(4), generator(0)).tolist() == [0.0] * 4


def test_lengths_are_all_that_censor_s_misfit_sees(step: Step) -> None:
    censor = defenses.build("censor", {"trials": 2})
    given = Update(step.gradient(), UpdateKind.GRADIENT)
    sent = Update(censor.gradient(step, generator(0)), UpdateKind.GRADIENT)
    assert float(censor.negative_log_likelihood(given, sent)) == pytest.approx(0.0, abs=1e-8)
    assert float(censor.negative_log_likelihood(given.with_vector(2 * given.vector()), sent)) > 1.0
    assert defenses.build("censor", {"trials": 0}).negative_log_likelihood(given, sent) is None


@pytest.mark.parametrize("perturbed", [1, 4, 10])
def test_grad_defense_adds_noise_to_so_many_slices_of_equal_sensitivity(perturbed: int, step: Step) -> None:
    plain = Update(step.gradient(), UpdateKind.GRADIENT)
    defense = defenses.build("grad-defense", {"perturbed": perturbed, "scale": 0.3})
    noise = plain.with_vector(Update(defense.gradient(step, generator(0)), plain.kind).vector() - plain.vector())
    each = sensitivities(step)
    covered = sum(each[name] * (value != 0).float().mean() for name, value in noise.tensors.items())
    assert float(covered / sum(each.values())) == pytest.approx(perturbed / 10, abs=0.03)
    values = noise.vector()[noise.vector() != 0]
    assert float(values.std()) == pytest.approx(0.3, rel=0.25)


def test_sensitivity_is_the_derivative_of_the_summed_gradient_by_the_data(step: Step) -> None:
    def total(image: torch.Tensor, label: torch.Tensor, name: str) -> torch.Tensor:
        return step.task.gradients(step.weights, image[None], label[None], create_graph=True)[name].sum()

    for name in ("0.weight", "5.bias"):
        lengths = []
        for image, label in zip(step.examples.inputs, step.examples.labels, strict=True):
            leaf = image.clone().requires_grad_()
            lengths.append(torch.autograd.grad(total(leaf, label, name), leaf)[0].norm() / 3)
        found = sensitivities(step)[name]
        assert torch.allclose(found, torch.stack(lengths).mean(), rtol=1e-3, atol=1e-8), name


def test_more_slices_than_there_are_cannot_be_perturbed(step: Step) -> None:
    with pytest.raises(ConfigError, match="at most all 4 slices, got perturbed = 5"):
        Chain((defenses.build("grad-defense", {"slices": 4}),)).task(step.task)


def test_noise_that_stands_out_does_not_count_for_who_knows_of_grad_defense() -> None:
    truth = Update({"a": torch.randn(6400, generator=generator("truth"))}, UpdateKind.GRADIENT)
    wrong = truth.with_vector(torch.randn(6400, generator=generator("wrong")))
    noise = torch.zeros(6400).index_fill(0, torch.arange(3200), 1.0) * torch.randn(6400, generator=generator("noise"))
    defense = defenses.build("grad-defense", {})
    loud, quiet = (truth.with_vector(truth.vector() + scale * noise) for scale in (100.0, 0.0))
    squares = [(one.vector() - loud.vector()).square().sum() for one in (wrong, truth)]
    assert float(squares[0]) < 1.01 * float(squares[1])
    assert float(defense.negative_log_likelihood(wrong, loud)) > 1.1 * float(
        defense.negative_log_likelihood(truth, loud)
    )
    peaked = quiet.with_vector(quiet.vector() * torch.linspace(0, 1, 6400) ** 400)
    assert defense.negative_log_likelihood(truth, peaked) is None
    assert defenses.build("grad-defense", {"perturbed": 0}).negative_log_likelihood(truth, loud) is None
