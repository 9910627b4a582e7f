"""A gallery of servers shows what each got under each defense, or says why there is nothing."""

import pytest
import torch
from matplotlib.image import imread

from fedleak.experiment.grid import parse_campaign
from fedleak.figures.gallery import draw_gallery
from fedleak.figures.servers import NOT_ASKED, collect_servers
from fedleak.figures.sheet import DOTS
from fedleak.runs.folder import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sheet(cheated_run):
    found = collect_servers(cheated_run.folder, cheated_run.campaign)
    assert found is not None
    return found


def test_a_row_for_each_server_below_truth_and_prior_and_a_group_for_each_defense(sheet):
    assert [row.title for row in sheet.rows] == ["truth", "prior", "honest", "planting"]
    assert sheet.groups == (
        ("single", "each update in the clear"),
        ("sum", "only sums are opened"),
        ("watched", "clients check models; only sums are opened"),
    )
    assert all(len(row.blocks) == 3 for row in sheet.rows)
    shown = [block for row in sheet.rows for block in row.blocks if block.pictures]
    assert {len(block.pictures) for block in shown} == {len(sheet.columns)} == {3}
    assert sheet.columns == ("client 0", "client 1", "client 2")


def test_what_a_planted_layer_gives_back_is_the_truth_in_a_frame(sheet):
    truth, _, _, planting = (row.blocks for row in sheet.rows)
    for block in planting[:2]:
        assert block.words.endswith(" of 6 exact (imprint-readout)")
        pairs = zip(block.pictures, truth[0].pictures, strict=True)
        exact = [(guess.image - true.image).abs().max() for guess, true in pairs if guess.exact]
        assert exact
        assert max(exact) < 0.05
        assert all(float(guess.caption.removesuffix(" dB")) >= 40 for guess in block.pictures if guess.exact)


def test_a_round_that_clients_refused_has_words_in_place_of_pictures(sheet):
    block = sheet.rows[-1].blocks[-1]
    assert (block.pictures, block.calm) == ((), True)
    assert block.words == "round lost: 3 of 3 clients refused"
    assert block.more.startswith("weight-watch: ")
    assert "threshold" not in block.more


def test_no_picture_of_the_prior_is_exact_and_it_is_one_under_every_defense(sheet):
    blocks = sheet.rows[1].blocks
    assert not any(picture.exact for block in blocks for picture in block.pictures)
    assert all(torch.equal(one.image, other.image)
               for one, other in zip(blocks[0].pictures, blocks[1].pictures, strict=True))  # fmt: skip


def test_it_is_the_gallery_of_a_run_in_which_a_server_cheats(cheated_run, sheet):
    picture = imread(draw_gallery(cheated_run.folder, cheated_run.campaign))
    assert picture.shape[1] > DOTS * 3 * sheet.wide
    assert len(picture.reshape(-1, picture.shape[-1])[:, :3].round(1).tolist()) > 0
    assert picture[..., :3].std() > 0.1


def test_examples_that_a_server_was_not_after_are_said_to_be_none_of_its(cheated_run, sheet):
    """Single updates of the others are no part of what is shown where one client is attacked."""
    named = [picture.reason for row in sheet.rows for block in row.blocks for picture in block.pictures]
    assert NOT_ASKED not in named  # all clients are attacked here
    assert sheet.note.startswith("seed 1, the last recorded round")


def test_where_all_servers_are_honest_there_is_none(tmp_path):
    campaign = parse_campaign({"name": "n", "task": "digits-mlp", "attacks": [{"use": "dlg"}]})
    assert collect_servers(RunFolder(tmp_path), campaign) is None
