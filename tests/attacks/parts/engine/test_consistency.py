"""Members of a group agree, image by image."""

import pytest
import torch

from fedleak.attacks.parts.engine.consistency import Group, as_group
from fedleak.attacks.parts.engine.distances import cosine
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.objective import by_autograd
from fedleak.randomness import generator


def group_of(observation, labels, weight=1.0, reach=1):
    match = GradientMatch.of(observation, cosine, pixels(labels), dtype=torch.float64)
    return Group(match, labels, weight, reach)


def members(task, examples, count, seed=0):
    rng = generator("members", seed)
    return [{"inputs": torch.rand(examples, *task.shape, generator=rng).double()} for _ in range(count)]


@pytest.mark.parametrize("count", [2, 4])
def test_without_weight_a_group_s_loss_is_the_mean_of_its_members(count, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    group, alone = group_of(observe(smooth_task, batch), batch.labels, 0.0), members(smooth_task, 2, count)
    losses = [group.inner.loss(member, by_autograd).item() for member in alone]
    assert group.loss(as_group(alone), by_autograd).item() == pytest.approx(sum(losses) / count)


def test_members_that_agree_pay_nothing_also_in_another_order_or_place(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    labels = torch.tensor([1, 1])
    observation = observe(smooth_task, batch)
    (one,) = members(smooth_task, 2, 1)
    other = {"inputs": one["inputs"].flip(0)}
    free, bound = (group_of(observation, labels, weight, reach=0) for weight in (0.0, 1.0))
    together = as_group([one, other])
    assert bound.loss(together, by_autograd).item() == pytest.approx(free.loss(together, by_autograd).item())
    moved = as_group([one, {"inputs": one["inputs"].roll(1, 3)}])
    near = group_of(observation, labels, 1.0, reach=1)
    assert near.loss(moved, by_autograd).item() == pytest.approx(free.loss(moved, by_autograd).item())
    assert bound.loss(moved, by_autograd).item() > free.loss(moved, by_autograd).item() + 0.005


def test_images_of_different_labels_are_never_exchanged(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    group = group_of(observe(smooth_task, batch), torch.tensor([0, 1]), reach=0)
    (one,) = members(smooth_task, 2, 1)
    assert group._order(one["inputs"], one["inputs"].flip(0)).tolist() == [0, 1]


def test_a_member_is_drawn_to_the_mean(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    group = group_of(observe(smooth_task, batch), batch.labels, 1.0, reach=0)
    low, high = (torch.full((1, 1, 6, 6), value).double() for value in (0.2, 0.6))
    targets = group._targets(torch.stack([low, high]))
    assert all(torch.allclose(target, torch.full_like(low, 0.4)) for target in targets)


def test_the_guess_is_the_best_member(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    group = group_of(observe(smooth_task, batch), batch.labels)
    wrong, right = members(smooth_task, 2, 1)[0], {"inputs": batch.inputs.double()}
    assert torch.equal(group.guess(as_group([wrong, right])).inputs, right["inputs"])
