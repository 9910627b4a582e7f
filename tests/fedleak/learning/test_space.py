"""Images as an input space: their pictures, starts and errors; and how a space is named in files."""

import pytest
import torch

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source
from fedleak.learning.space import Images, space_from, space_of_source
from fedleak.learning.task import Task
from fedleak.randomness import generator

SMALL = Images(3, 4, 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_color_are_shown_as_they_are(channels: int) -> None:
    image = torch.rand(channels, 4, 5)
    assert torch.equal(Images(channels, 4, 5).picture(image), image)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_channels_of_something_else_stand_side_by_side(channels: int) -> None:
    image = torch.rand(channels, 4, 5)
    shown = Images(channels, 4, 5).picture(image)
    assert shown.shape == (1, 4, 5 * channels)
    assert torch.equal(torch.stack(torch.split(shown[0], 5, dim=1)), image)


def test_what_no_screen_shows_is_clamped_or_gray() -> None:
    image = torch.tensor([[[-1.0, 2.0, torch.nan]]])
    assert Images(1, 1, 3).picture(image).tolist() == [[[0.0, 1.0, 0.5]]]


def test_guesses_start_near_mid_gray() -> None:
    starts = SMALL.start(200, generator(0))
    assert starts.shape == (200, 3, 4, 5)
    assert torch.equal(starts, 0.5 + 0.1 * torch.randn(200, 3, 4, 5, generator=generator(0)))
    assert torch.equal(SMALL.uniform(2, generator(0)), torch.rand(2, 3, 4, 5, generator=generator(0)))


def test_values_are_put_back_into_the_range_in_place() -> None:
    values = torch.tensor([-0.5, 0.5, 1.5])
    SMALL.project_(values)
    assert values.tolist() == [0.0, 0.5, 1.0]


def test_total_variation_of_a_ramp() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    assert Images(1, 4, 4).variation(ramp).item() == pytest.approx(1.0)


def test_a_shape_is_short_for_images() -> None:
    assert Task("small", torch.nn.Flatten(), (3, 4, 5), 2).space == SMALL
    assert Batch(torch.zeros(2, 3, 4, 5), torch.zeros(2).long()).space == SMALL
    assert space_of_source(Source("small", (3, 4, 5), 2, "small")) == SMALL


def test_a_batch_of_no_images_must_say_its_space() -> None:
    with pytest.raises(ConfigError, match=r"shape \(channels, height, width\), got \(6,\)"):
        _ = Batch(torch.zeros(2, 6), torch.zeros(2).long()).space


def test_a_space_is_the_same_after_it_was_written_down() -> None:
    assert space_from(SMALL.facts()) == SMALL
    with pytest.raises(ConfigError, match="no kind of example is called 'image'; did you mean 'images'"):
        space_from({"kind": "image"})
