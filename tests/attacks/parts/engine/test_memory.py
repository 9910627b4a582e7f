"""Memory: what an evaluation takes is told beforehand, and what does not fit is computed again, to the same figures."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models import DenseNet, ResNet, VisionTransformer, mobilenet_v2
from torchvision.models.resnet import BasicBlock

from fedleak.attacks.parts.engine import distances
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.loop import Matching, one_by_one
from fedleak.attacks.parts.engine.memory import demand_of
from fedleak.attacks.parts.engine.objective import Layout
from fedleak.attacks.parts.local_training.unrolled import fixed_order, unrolled
from fedleak.attacks.parts.optimizers.first_order import signed_adam
from fedleak.learning.device import share_of_memory
from fedleak.learning.layers import twice_differentiable
from fedleak.learning.recomputation import recomputing
from fedleak.learning.space import Images
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

NETWORKS = {
    "resnet": lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4),
    "mobilenet": lambda: mobilenet_v2(
        num_classes=4, width_mult=0.25, inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2]]
    ),
    "densenet": lambda: DenseNet(num_classes=4, growth_rate=4, block_config=(2, 2), num_init_features=8),
    "vit": lambda: VisionTransformer(32, 16, 2, 2, 16, 16, num_classes=4),
}


def gray(count, shape, rng):
    return Images(*shape).start(count, rng)


def task_of(name):
    with seeded("networks"):
        return Task(name, NETWORKS[name](), (3, 32, 32), 4)


def match_of(task, observe, batch_of, **options):
    batch = batch_of(task, 2)
    observation = observe(task, batch)
    return observation, GradientMatch.of(observation, distances.cosine, pixels(batch.labels), **options)


def evaluated(objective, blocks):
    """The loss and its gradient at mid-gray images."""
    start = {"inputs": gray(2, objective.model.task.shape, generator("start"))}
    layout = Layout.of(start, {})
    with recomputing(blocks), seeded("dropout"), twice_differentiable():
        (found,) = one_by_one(objective, layout)([layout.vector(start)])
    return found


def kept_at_once(objective, blocks):
    """Bytes that are kept for the way back by a forward pass."""
    with recomputing(blocks):
        demand = demand_of(objective, {"inputs": gray(2, objective.model.task.shape, generator("start"))})
    assert demand is not None
    return demand.kept


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_computed_again_give_the_same_gradient_and_keep_less(name, observe, batch_of):
    _, objective = match_of(task_of(name), observe, batch_of)
    blocks = demand_of(objective, {"inputs": gray(2, (3, 32, 32), generator("start"))}).blocks()
    plain, again = evaluated(objective, ()), evaluated(objective, blocks)
    assert torch.allclose(plain[0], again[0], atol=1e-6)
    assert float((plain[1] - again[1]).norm() / plain[1].norm()) < 1e-3
    assert kept_at_once(objective, blocks) < 0.9 * kept_at_once(objective, ())
    assert not any("forward" in vars(module) for module in objective.model.task.network.modules())


def blocky(*layers):
    """A network of blocks on 1x6x6 images, four classes."""
    with seeded("blocky"):
        first, second = (nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *layers), nn.Sequential(nn.Flatten(), nn.Tanh()))
        return Task("blocky", nn.Sequential(first, second, nn.Linear(144, 4)), (1, 6, 6), 4)


def test_several_local_steps_go_through_blocks_that_are_computed_again(observe, batch_of):
    task, training = blocky(nn.Sigmoid()), LocalTraining(batch_size=1, batches=2, learning_rate=0.1)
    batch = batch_of(task, 2)
    observation = observe(task, batch, training)
    objective = GradientMatch.of(
        observation, distances.squared, pixels(batch.labels), dtype=torch.float64,
        simulate=unrolled(observation, training, fixed_order(training)),
    )  # fmt: skip
    start = {"inputs": gray(2, task.shape, generator("start")).double()}
    layout, blocks = Layout.of(start, {}), demand_of(objective, start).blocks()
    assert blocks
    plain = one_by_one(objective, layout)([layout.vector(start)])[0]
    with recomputing(blocks):
        again = one_by_one(objective, layout)([layout.vector(start)])[0]
    assert torch.allclose(plain[1], again[1], rtol=1e-9, atol=1e-14)


def test_dropout_is_rolled_once_for_a_block_and_its_repetitions(observe, batch_of):
    _, objective = match_of(blocky(nn.ReLU(), nn.Dropout(0.5)), observe, batch_of)
    blocks = demand_of(objective, {"inputs": gray(2, (1, 6, 6), generator("start"))}).blocks()
    plain, again = evaluated(objective, ()), evaluated(objective, blocks)
    assert torch.allclose(plain[1], again[1], atol=1e-6)


def test_a_block_with_hooks_or_that_writes_to_its_input_is_left_alone(observe, batch_of):
    shown = []
    task = blocky(nn.Sigmoid())
    hooked = replace(task, network=copy.deepcopy(task.network))
    hooked.network[0][1].register_forward_hook(lambda *found: shown.append(found[2].requires_grad))
    _, objective = match_of(hooked, observe, batch_of)
    evaluated(objective, [hooked.network[0]])
    assert all(shown[-1:])
    writing = Task(
        "writing", nn.Sequential(nn.Sequential(nn.ReLU(inplace=True), nn.Flatten()), nn.Linear(36, 4)), (1, 6, 6), 4
    )
    writing = replace(writing, network=nn.Sequential(nn.Sigmoid(), *writing.network))
    _, objective = match_of(writing, observe, batch_of)
    assert not demand_of(objective, {"inputs": gray(2, (1, 6, 6), generator("start"))}).blocks()


@pytest.mark.slow
def test_a_run_within_little_memory_comes_to_the_same_images(observe, batch_of):
    _, objective = match_of(blocky(nn.Sigmoid()), observe, batch_of, dtype=torch.float64)
    starts = [{"inputs": gray(2, (1, 6, 6), generator("start", number)).double()} for number in range(9)]
    whole = demand_of(objective, starts[0]).bytes
    guesses = [
        Matching(optimizer=signed_adam(0.1), steps=5, memory=memory).run(objective, starts, generator(0))
        for memory in (20 * whole, 4 * whole, whole, 0)  # all together, four at a time, one by one, computed again
    ]
    for guess in guesses[1:]:
        assert torch.allclose(guess.inputs, guesses[0].inputs, atol=1e-6)
        assert guess.mismatch == pytest.approx(guesses[0].mismatch, rel=1e-6)


def test_the_demand_is_that_of_what_layers_keep(observe, batch_of):
    _, objective = match_of(blocky(nn.Sigmoid()), observe, batch_of)
    demand = demand_of(objective, {"inputs": gray(2, (1, 6, 6), generator("start"))})
    assert demand.parameters == 4 * sum(value.numel() for value in objective.model.task.network.parameters())
    features = 2 * 144 * 4
    assert 2 * features <= demand.kept <= 4 * features + 2000


def test_a_worker_s_share_of_memory_heeds_the_control_group(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert share_of_memory(limit) == share_of_memory(tmp_path / "missing") > 0
    limit.write_text("1000000\n")
    assert 0 < share_of_memory(limit) <= 1_000_000
