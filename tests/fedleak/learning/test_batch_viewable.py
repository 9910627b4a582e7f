"""A picture of an example: gray and color as they are, other numbers of channels side by side."""

import pytest
import torch

from fedleak.learning.batch import viewable


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_color_stay_as_they_are(channels: int) -> None:
    image = torch.rand(channels, 4, 5)
    assert viewable(image) is image


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_channels_of_something_else_stand_side_by_side(channels: int) -> None:
    image = torch.rand(channels, 4, 5)
    shown = viewable(image)
    assert shown.shape == (1, 4, 5 * channels)
    assert torch.equal(torch.stack(torch.split(shown[0], 5, dim=1)), image)
