"""The update of one class's examples: exact in every entry, also in the rows that everybody has a part in."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.isolation import caught
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch


@pytest.fixture
def fished_task(linear_task):
    with torch.no_grad():
        head = linear_task.network[3]
        row = head.weight[1].clone()
        head.weight.zero_()
        head.weight[1] = row
        head.bias.copy_(torch.tensor([1000.0, 0.1, 1001.0, 1000.5]))
    return linear_task


def test_every_entry_is_that_of_the_class_alone(fished_task, observe, batch_of):
    batch = Batch(batch_of(fished_task, 7).inputs, torch.tensor([0, 1, 2, 3, 1, 0, 2]))
    catch = caught(observe(fished_task, batch), 1)
    own = observe(fished_task, batch[torch.tensor([1, 4])]).gradient()
    assert catch.examples == catch.alone.examples() == 2
    for name, value in catch.alone.gradient().items():
        if name != "3.bias":  # the weights there are so large that its own update is rounded away
            assert (value - own[name]).norm() < 1e-4 * own[name].norm(), name
    assert torch.allclose(catch.alone.gradient()["3.bias"].sum(), torch.tensor(0.0), atol=1e-5)


def test_whoever_scales_an_update_hides_nothing_of_it(fished_task, observe, batch_of):
    batch = Batch(batch_of(fished_task, 4).inputs, torch.tensor([0, 1, 2, 3]))
    seen, own = observe(fished_task, batch), observe(fished_task, batch[torch.tensor([1])]).gradient()
    short = replace(
        seen, update=seen.update.clipped(1e-3), defense=Chain((defenses.build("clipping", {"max_norm": 1e-3}),))
    )
    catch = caught(short, 1)
    assert catch.examples == 1
    assert not catch.alone.defense
    front = ("1.weight", "1.bias")
    assert all((catch.alone.gradient()[name] - own[name]).norm() < 1e-3 * own[name].norm() for name in front)


def test_noise_is_as_much_larger_as_the_part_was_made_and_hides_a_class_beyond_it(fished_task, observe, batch_of):
    batch = Batch(batch_of(fished_task, 4).inputs, torch.tensor([0, 1, 2, 3]))
    seen = observe(fished_task, batch)
    small, large = (Chain((defenses.build("gaussian-noise", {"std": std}),)) for std in (1e-4, 1e-1))
    assert caught(replace(seen, defense=small), 1).alone.amplified == pytest.approx(4, rel=1e-3)
    with pytest.raises(NotApplicable, match="beyond the noise of defenses"):
        caught(replace(seen, defense=large), 1)
