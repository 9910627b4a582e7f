"""A certificate is given to what gives the observed gradient again, and to nothing else."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from fedleak.api import attack, capture
from fedleak.api import observe as observe_api
from fedleak.attacks.analytic.analytic_linear import AnalyticLinear
from fedleak.attacks.parts.certificates import certifiable, certify
from fedleak.attacks.parts.classifier_head.label_fit import labels_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator

FIXTURES_ARE_CONSTANT = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("task", ["linear_task", "smooth_task", "normalized_task"])
@pytest.mark.parametrize("examples", [2, 5])
@pytest.mark.parametrize("learning_rate", [0.01, 0.1, 1.0])
def test_the_true_batch_certifies(request, task, observe, batch_of, examples, learning_rate):
    task = request.getfixturevalue(task)
    batch = batch_of(task, examples)
    # Dropout is off in eval mode: with it a client's gradient is nobody's to repeat.
    mode = "eval" if task.name == "tiny-bn" else "train"
    facts = LocalTraining(batch_size=examples, learning_rate=learning_rate, weight_decay=0.01, momentum=0.9, mode=mode)
    assert certify(observe(task, batch, facts), batch.inputs, batch.labels)


def test_under_dropout_nothing_is_certified(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 4)
    assert certify(observe(normalized_task, batch), batch.inputs, batch.labels) is None


@FIXTURES_ARE_CONSTANT
@given(
    seed=st.integers(0, 1000),
    examples=st.integers(1, 4),
    pixel=st.integers(0, 35),
    change=st.floats(0.01, 1.0),
    data=st.data(),
)
def test_a_perturbed_image_does_not(linear_task, observe, batch_of, seed, examples, pixel, change, data):
    batch = batch_of(linear_task, examples, seed)
    inputs = batch.inputs.clone()
    place = data.draw(st.integers(0, examples - 1))
    inputs[place].view(-1)[pixel] += change
    assert certify(observe(linear_task, batch), inputs, batch.labels) is None


@FIXTURES_ARE_CONSTANT
@given(seed=st.integers(0, 1000), examples=st.integers(1, 4), shift=st.integers(1, 3))
def test_a_wrong_label_does_not(linear_task, observe, batch_of, seed, examples, shift):
    batch = batch_of(linear_task, examples, seed)
    labels = batch.labels.clone()
    labels[0] = (labels[0] + shift) % linear_task.classes
    assert certify(observe(linear_task, batch), batch.inputs, labels) is None


def test_the_order_of_the_examples_does_not_matter(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    observation, order = observe(smooth_task, batch), torch.tensor([2, 0, 3, 1])
    assert certify(observation, batch.inputs[order], batch.labels[order])


def test_a_part_of_the_batch_does_not(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 3)
    observation = observe(linear_task, batch)
    assert certify(observation, batch.inputs[:2], batch.labels[:2]) is None
    assert certify(observation, batch.inputs, batch.labels[:2]) is None


@pytest.mark.parametrize(
    "unknown", [("learning_rate",), ("batches",), ("epochs",), ("weight_decay",)], ids=lambda names: names[0]
)
def test_unknown_facts_leave_nothing_to_prove_with(linear_task, observe, batch_of, unknown):
    batch = batch_of(linear_task, 1)
    observation = observe(linear_task, batch)
    assert certify(observation, batch.inputs, batch.labels)
    blinded = replace(observation, training=observation.training.hiding(unknown))
    assert certify(blinded, batch.inputs, batch.labels) is None


def test_several_steps_are_not_certified(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 2)
    facts = LocalTraining(batch_size=2, epochs=2, learning_rate=1e-4)
    assert certify(observe(linear_task, batch, facts), batch.inputs, batch.labels) is None


@pytest.mark.parametrize(
    "defense",
    [
        {"use": "gaussian-noise", "std": 1e-12},
        {"use": "laplace-noise", "scale": 1e-12},
        {"use": "clipping", "max_norm": 1e9},
        {"use": "top-k", "fraction": 1.0},
    ],
    ids=lambda table: table["use"],
)
def test_no_defended_update_is_certified_even_where_the_defense_did_nothing(linear_task, observe, batch_of, defense):
    batch = batch_of(linear_task, 1)
    observation = replace(observe(linear_task, batch), defense=Chain.build((defense,)))
    assert certify(observation, batch.inputs, batch.labels) is None


@pytest.mark.parametrize("relative", [1e-3, 1e-1])
def test_noise_that_nobody_declared_is_noticed(linear_task, observe, batch_of, with_update, relative):
    batch = batch_of(linear_task, 1)
    observation = observe(linear_task, batch)
    vector = observation.update.vector()
    noise = torch.randn(vector.shape, generator=generator("undeclared"))
    noisy = with_update(observation, vector + relative * vector.norm() * noise / noise.norm())
    assert certify(noisy, batch.inputs, batch.labels) is None


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_degenerate_update_certifies_nothing(linear_task, observe, batch_of, with_update, value):
    batch = batch_of(linear_task, 1)
    observation = observe(linear_task, batch)
    broken = with_update(observation, torch.full_like(observation.update.vector(), value))
    assert certify(broken, batch.inputs, batch.labels) is None


def test_a_step_too_small_for_single_precision_proves_nothing(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    facts = LocalTraining(learning_rate=1e-6)
    assert certify(observe(linear_task, batch, facts), batch.inputs, batch.labels) is None


def test_a_gradient_on_the_wire_needs_no_learning_rate(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    delta = observe(smooth_task, batch)
    sent = smooth_task.gradients(delta.before.clone(), batch.inputs, batch.labels)
    observation = replace(delta, update=Update(sent, UpdateKind.GRADIENT), training=LocalTraining(learning_rate=None))
    assert certify(observation, batch.inputs, batch.labels)
    assert certify(observation, batch.inputs + 0.01, batch.labels) is None


@FIXTURES_ARE_CONSTANT
@given(seed=st.integers(0, 1000), examples=st.integers(1, 6))
def test_known_images_tell_which_label_is_whose(smooth_task, observe, batch_of, seed, examples):
    batch = batch_of(smooth_task, examples, seed)
    assert labels_of(observe(smooth_task, batch), batch.inputs).tolist() == batch.labels.tolist()


def test_labels_are_read_through_a_head_without_bias(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 5)
    facts = LocalTraining(batch_size=5, mode="eval")
    assert labels_of(observe(normalized_task, batch, facts), batch.inputs).tolist() == batch.labels.tolist()


@pytest.mark.slow
def test_the_analytic_attack_certifies_what_it_reads_off_one_example():
    for captured in capture("digits-mlp", clients=4):
        guess = attack(captured, "analytic-linear")
        assert guess.certificate.startswith("gradient residual ")
        assert (guess.inputs - captured.truth.inputs).abs().max() < 1e-4
        assert guess.labels.tolist() == captured.truth.labels.tolist()


def test_a_whole_batch_is_certified_with_each_label_at_its_image(linear_task, observe):
    # Each image has pixels of its own and neurons that see nothing else, so every quotient is one image.
    inputs = torch.zeros(3, 1, 6, 6)
    for place in range(3):
        inputs[place].view(-1)[12 * place : 12 * place + 12] = torch.linspace(0.2, 1.0, 12)
    task = separated(linear_task)
    observation = observe(task, Batch(inputs, torch.tensor([3, 0, 2])))
    guess = attacks.build("analytic-linear", {}).run(observation, generator(0))
    places = torch.cdist(guess.inputs.flatten(1), inputs.flatten(1)).argmin(1)
    assert sorted(places.tolist()) == [0, 1, 2]
    assert guess.certificate
    assert torch.equal(guess.labels, torch.tensor([3, 0, 2])[places])


def separated(task):
    """The task with each first neuron seeing one third of the image and shut to the rest."""
    first = task.network[1]
    with torch.no_grad():
        first.weight.fill_(-0.5)
        first.bias.fill_(0.0)
        for neuron in range(24):
            third = neuron % 3
            first.weight[neuron, 12 * third : 12 * third + 12] = 0.1 + 0.01 * neuron
    return task


@pytest.mark.slow
@pytest.mark.parametrize(
    "chain",
    [
        [{"use": "gaussian-noise", "std": 1e-4}],
        [{"use": "clipping", "max_norm": 0.5}],
        [{"use": "top-k", "fraction": 0.5}],
    ],
)
def test_the_analytic_attack_certifies_nothing_under_a_defense(chain):
    for captured in capture("digits-mlp", clients=2, defense=chain):
        assert attack(captured, "analytic-linear").certificate is None


@pytest.mark.slow
def test_mixtures_of_a_batch_are_not_certified():
    certified = [attack(one, "analytic-linear").certificate for one in capture("digits-mlp", clients=3, batch_size=8)]
    assert certified == [None] * 3


def test_an_example_that_the_model_is_sure_of_certifies_nothing_for_its_batch():
    """Its gradient is shorter than rounding, so any image that is as sure would pass for it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    with torch.no_grad():
        network[1].weight.mul_(200)
    images = torch.rand(2, 1, 4, 4)
    labels = network(images).argmax(1)
    labels[0] = (labels[0] + 1) % 10  # one with a gradient, one without
    assert network(images[1:]).softmax(1).max() > 1 - 1e-7
    captured = observe_api(network, images, labels)
    assert certifiable(captured.observation)
    assert certify(captured.observation, images, labels) is None
    assert certify(captured.observation, torch.stack([images[0], 1 - images[1]]), labels) is None


def test_an_attack_says_whether_there_was_a_test_to_pass(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    guess = AnalyticLinear().run(observe(linear_task, batch), generator(0))
    assert guess.certifiable
    several = observe(linear_task, batch, LocalTraining(batch_size=1, epochs=2))
    assert not AnalyticLinear().run(several, generator(0)).certifiable
