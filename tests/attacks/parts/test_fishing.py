"""The update of one class's examples: exact in every entry, also in the rows that everybody has a part in."""

import torch

from fedleak.attacks.parts.fishing import caught
from fedleak.learning.batch import Batch


def test_every_entry_is_that_of_the_class_alone(linear_task, observe, batch_of):
    with torch.no_grad():
        head = linear_task.network[3]
        row = head.weight[1].clone()
        head.weight.zero_()
        head.weight[1] = row
        head.bias.copy_(torch.tensor([1000.0, 0.1, 1001.0, 1000.5]))
    batch = Batch(batch_of(linear_task, 7).inputs, torch.tensor([0, 1, 2, 3, 1, 0, 2]))
    catch = caught(observe(linear_task, batch), 1)
    own = observe(linear_task, batch[torch.tensor([1, 4])]).gradient()
    assert catch.examples == catch.alone.examples() == 2
    for name, value in catch.alone.gradient().items():
        if name != "3.bias":  # the weights there are so large that its own update is rounded away
            assert (value - own[name]).norm() < 1e-4 * own[name].norm(), name
    assert torch.allclose(catch.alone.gradient()["3.bias"].sum(), torch.tensor(0.0), atol=1e-5)
