"""A sheet has room for every row and group, and says in words what it has no picture of."""

import torch
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from fedleak.figures.panels import Picture
from fedleak.figures.sheet import CALM, DOTS, LEAKED, Block, Sheet, SheetRow, draw_sheet

GRAY = Picture(image=torch.full((1, 4, 4), 0.5), caption="9.0 dB")
EXACT = Picture(image=torch.full((1, 4, 4), 0.5), caption="100.0 dB", exact=True)


def drawn(tmp_path, *rows, groups=2):
    named = tuple((f"group {number}", "about") for number in range(groups))
    sheet = Sheet(title="t", groups=named, columns=("client 0", "client 1"), rows=rows, note="seen")
    return imread(draw_sheet(sheet, tmp_path / "sheet.png"))[..., :3]


def has(picture, color):
    return bool((torch.from_numpy(picture) - torch.tensor(to_rgb(color))).abs().amax(-1).lt(0.02).any())


def test_it_grows_with_rows_and_with_groups(tmp_path):
    row = SheetRow(title="one", blocks=(Block(pictures=(GRAY, GRAY)),) * 3)
    low = drawn(tmp_path, row, groups=2)
    assert drawn(tmp_path, row, row, groups=2).shape[0] > low.shape[0] + 0.9 * DOTS
    assert drawn(tmp_path, row, groups=3).shape[1] > low.shape[1] + 1.8 * DOTS


def test_what_came_back_exactly_has_a_frame_of_its_own_and_nothing_else(tmp_path):
    guess, copy = Block(pictures=(GRAY, GRAY), words="1 of 2"), Block(pictures=(GRAY, EXACT), words="1 of 2")
    assert not has(drawn(tmp_path, SheetRow(title="one", blocks=(guess, guess))), LEAKED)
    assert has(drawn(tmp_path, SheetRow(title="one", blocks=(guess, copy))), LEAKED)


def test_words_stand_in_the_place_of_pictures_and_are_calm_where_it_is_well(tmp_path):
    lost = Block(words="round lost: 8 of 8 clients refused", more="weight-watch: rows are alike", calm=True)
    assert has(drawn(tmp_path, SheetRow(title="one", blocks=(Block(pictures=(GRAY, GRAY)), lost))), CALM)
    silent = Block(words="not run under this defense")
    assert not has(drawn(tmp_path, SheetRow(title="one", blocks=(Block(pictures=(GRAY, GRAY)), silent))), CALM)
