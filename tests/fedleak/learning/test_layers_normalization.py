"""Normalization is part of the network: it goes with copies, precisions and whoever calls it."""

import copy
import pickle

import torch
from torch import nn

from fedleak.learning.layers import has_hooks, normalize_inputs

IMAGES = torch.rand(2, 3, 4, 4)


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 5))


def test_it_goes_with_a_copy_a_precision_and_a_functional_call() -> None:
    mine = network()
    plain = mine(IMAGES)
    assert not has_hooks(mine)
    normalize_inputs(mine, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    assert has_hooks(mine)
    normalized = mine(IMAGES)
    assert not torch.allclose(plain, normalized)
    assert torch.equal(copy.deepcopy(mine)(IMAGES), normalized)
    assert torch.equal(pickle.loads(pickle.dumps(mine))(IMAGES), normalized)
    assert torch.equal(torch.func.functional_call(mine, dict(mine.named_parameters()), (IMAGES,)), normalized)
    double = copy.deepcopy(mine).double()(IMAGES.double())
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), normalized, atol=1e-5)


def test_one_mean_stands_for_all_channels() -> None:
    one, each = network(), network()
    each.load_state_dict(one.state_dict())
    normalize_inputs(one, (0.5,), (0.25,))
    normalize_inputs(each, (0.5,) * 3, (0.25,) * 3)
    assert torch.equal(one(IMAGES), each(IMAGES))
