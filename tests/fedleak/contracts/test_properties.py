"""What can be asked of images."""

import torch

from fedleak.contracts.properties import CATALOGUE, of_each, of_most

NAMES = [one.name for one in CATALOGUE]


def image(**lit: float) -> torch.Tensor:
    """A black image of 3x4x4 with a part of it lit."""
    black = torch.zeros(3, 4, 4)
    parts = {"red": black[0], "blue": black[2], "top": black[:, :2], "left": black[..., :2]}
    for part, value in lit.items():
        parts[part].fill_(value)
    return black


def test_each_image_is_asked_each_question() -> None:
    images = torch.stack([image(red=1.0), image(blue=1.0), image(top=1.0), image(left=1.0)])
    answers = dict(zip(NAMES, of_each(images).T.tolist(), strict=True))
    assert answers == {"warm": [1, 0, 0, 0], "lit-above": [0, 0, 1, 0], "lit-left": [0, 0, 0, 1]}


def test_most_is_more_than_half() -> None:
    lit, dark = image(top=1.0), image()
    place = NAMES.index("lit-above")
    assert of_most(torch.stack([lit, dark]))[place] == 0
    assert of_most(torch.stack([lit, lit, dark]))[place] == 1


def test_gray_images_have_no_color() -> None:
    answers = of_most(torch.rand(2, 1, 5, 5))
    assert [bool(answers[i].isnan()) for i in range(3)] == [name == "warm" for name in NAMES]


def test_the_middle_row_of_an_odd_height_counts_for_neither_half() -> None:
    images = torch.zeros(1, 1, 3, 3)
    images[0, 0, 1] = 1.0
    assert of_each(images)[0, NAMES.index("lit-above")] == 0
