"""Pictures behind the cells: the worst and a typical one, within the budget, and a cut that is fair."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import Batch
from fedleak.learning.space import Images
from fedleak.learning.table import Column, Table
from fedleak.report.pictures import (
    LARGEST,
    Album,
    Files,
    chosen_of,
    data_uri,
    difference,
    fair_order,
    in_words,
    samples_of,
)
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder

IMAGE = torch.linspace(0, 1, 3 * 8 * 8).reshape(3, 8, 8)


class Known(Files):
    """Every message has the same truth and guess."""

    def cell(self, row):
        return Saved(rows=(row,), address="", guess=Reconstruction(inputs=IMAGE[None] * 0.9))

    def truth(self, row):
        return Batch(IMAGE[None], torch.zeros(1, dtype=torch.long))


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_a_picture_survives_to_a_byte():
    pixels = torch.tensor(np.array(opened(data_uri(IMAGE)))).permute(2, 0, 1) / 255
    assert torch.allclose(pixels, IMAGE, atol=0.5 / 255 + 1e-6)


def test_gray_stays_gray_and_large_pictures_are_scaled_down():
    big = opened(data_uri(torch.rand(1, 2 * LARGEST, LARGEST)))
    assert (big.mode, big.size) == ("L", (LARGEST // 2, LARGEST))


def test_no_difference_is_middle_gray():
    assert torch.equal(difference(Images(3, 8, 8), IMAGE, IMAGE), torch.full_like(IMAGE, 0.5))


def test_a_row_of_a_table_is_said_beside_its_guess_and_an_image_is_not():
    space = Table(columns=(Column("age", low=20.0, high=60.0), Column("work", values=("farm", "sea"))))
    truth, guess = torch.tensor([0.0, 1.0, -1.0]), torch.tensor([1.5, 0.1, 0.2])
    assert in_words(space, truth, guess) == (("age", "40", "60"), ("work", "farm", "sea"))
    assert in_words(Images(1, 2, 2), torch.rand(1, 2, 2), torch.rand(1, 2, 2)) == ()


def test_the_worst_case_and_the_middle_one_are_chosen(make_row):
    rows = [make_row(10.0, 30.0, client=0), make_row(20.0, float("nan"), 15.0, client=1)]
    (samples,) = samples_of(rows).values()
    assert {title: one.value for title, one in chosen_of(samples, higher=True).items()} == {
        "worst case": 30.0,
        "typical": 15.0,
    }
    assert chosen_of(samples, higher=False)["worst case"].value == 10.0
    assert chosen_of([], higher=True) == {}


def test_each_defense_has_its_worst_cell_before_any_has_its_second(make_summary):
    cells = [make_summary(40.0, attack="a"), make_summary(39.0, attack="b"), make_summary(10.0, defense="noisy")]
    assert [(s.group.defense, s.group.attack) for s in fair_order(cells)] == [
        ("none", "a"), ("noisy", "dlg"), ("none", "b"),
    ]  # fmt: skip


def test_an_album_stops_at_its_budget_and_says_what_is_missing(make_row, make_summary, tmp_path):
    defenses = [f"d{i}" for i in range(20)]
    album = Album(Known(RunFolder(tmp_path)), budget=3000)
    album.fill([make_summary(30.0, defense=d) for d in defenses], [make_row(30.0, defense=d) for d in defenses])
    assert 0 < len(album.found) < 20
    assert album.left_out == 20 - len(album.found)


def test_files_that_are_gone_are_pictures_left_out_and_no_crash(make_row, make_summary, tmp_path):
    album = Album(Files(RunFolder(tmp_path)))
    album.fill([make_summary(30.0)], [make_row(30.0)])
    assert (album.found, album.left_out) == ({}, 1)
