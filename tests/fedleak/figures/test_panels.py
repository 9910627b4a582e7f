"""A guess below its truth."""

from pathlib import Path

import torch

from fedleak.figures.panels import COLUMNS, beside, draw
from fedleak.learning.batch import Batch
from fedleak.learning.space import Images
from fedleak.randomness import generator


def batch(examples: int, channels: int = 3) -> Batch:
    return Batch(
        torch.rand(examples, channels, 6, 6, generator=generator("b")), torch.zeros(examples, dtype=torch.long)
    )


def test_each_guess_stands_below_its_own_truth_with_its_psnr() -> None:
    truth = batch(3)
    panel = beside("x", truth.inputs[[2, 0]], truth, truth.space)
    above, below = panel.lines
    assert [line.title for line in panel.lines] == ["truth", "guess"]
    for place in (0, 2):
        image = below.pictures[place].image
        assert image is not None
        assert torch.equal(image, truth.inputs[place])
        assert below.pictures[place].caption == "100.0 dB"
    assert below.pictures[1].image is None
    assert below.pictures[1].reason == "no guess for this example"
    assert len(above.pictures) == len(panel.columns) == 3


def test_without_a_truth_the_guesses_stand_alone() -> None:
    panel = beside("x", batch(2).inputs, None, Images(3, 6, 6))
    assert [line.title for line in panel.lines] == ["guess"]
    assert len(panel.columns) == 2


def test_what_is_left_out_is_said() -> None:
    truth = batch(COLUMNS + 3)
    panel = beside("x", truth.inputs, truth, truth.space)
    assert {len(line.pictures) for line in panel.lines} == {len(panel.columns)} == {COLUMNS}
    assert panel.note == f"{COLUMNS} of {COLUMNS + 3} shown"


def test_channels_that_no_screen_shows_stand_side_by_side(tmp_path: Path) -> None:
    truth = batch(1, channels=2)
    panel = beside("x", truth.inputs, truth, truth.space)
    assert not [line for line in panel.lines if line.pictures[0].image is None]
    assert draw(panel, tmp_path / "two.png").is_file()
