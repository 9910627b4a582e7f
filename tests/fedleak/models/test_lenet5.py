"""LeNet-5: strips of any width go side by side above a cut, as the whole image goes below it."""

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.models.lenet5 import LeNet5
from fedleak.settings.columns import Split
from fedleak.tasks import hardened


def test_it_has_the_widths_of_the_attacked_one():
    network = LeNet5().network((1, 28, 28), 10)
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert [one.shape[0] for one in network.parameters() if one.dim() > 1] == [8, 16, 120, 84, 10]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("columns", ["halves", [[0], [1, 2, 3, 4, 5, 6, 7]]])
def test_it_is_cut_anywhere_for_strips_of_any_width(cut, columns):
    task = hardened("digits-lenet5", Chain(), Split(parties=2, columns=columns, cut=cut))
    assert task.network.eval()(torch.rand(2, 1, 8, 8)).shape == (2, 10)
