"""Pictures of hidden columns: own columns are the truth's, the others the guess, and no line is of other rows."""

import pytest
import torch

from fedleak.experiment.grid import parse_campaign
from fedleak.figures.gallery import draw_gallery
from fedleak.figures.hidden_columns import collect_hidden
from fedleak.report.classes import hidden_of
from fedleak.run import run
from fedleak.runs.folder import RunFolder

TREE = {
    "name": "n",
    "seed": [1, 2],
    "task": "digits-mlp",
    "federation": {"partition": "columns", "clients": 3, "batch_size": 4, "batches": 1, "cut": [2, 3]},
    "adversary": {"bottoms": "weights", "auxiliary": 16},
    "attacks": [{"use": "regularised-likelihood", "steps": 1}, {"use": "inverse-network", "steps": 1}],
    "defenses": [{"name": "none"}],
}


@pytest.mark.slow
def test_a_line_for_each_depth_and_attack_of_the_first_seed(tmp_path):
    campaign = parse_campaign(TREE)
    folder = run(campaign, tmp_path / "run").folder
    panel = collect_hidden(folder, campaign)
    assert panel is not None
    named = [(line.title, line.subtitle) for line in panel.lines]
    attacks = ("regularised-likelihood", "inverse-network")
    assert named[:2] == [("truth", ""), ("prior", "no embedding used")]
    assert named[2:] == [(f"cut={cut} none", attack) for cut in (2, 3) for attack in attacks]
    assert len(panel.columns) == 4
    truth = panel.lines[0].pictures
    for line in panel.lines[1:]:
        for shown, true in zip(line.pictures, truth, strict=True):
            assert torch.equal(shown.image[..., :2], true.image[..., :2])  # columns 0 and 1 are the active party's
            assert not torch.equal(shown.image[..., 2:], true.image[..., 2:])
    assert all(one.caption.endswith(" dB") for line in panel.lines[2:] for one in line.pictures)
    assert draw_gallery(folder, campaign).exists()
    page = hidden_of(folder, campaign)
    assert page is not None
    assert [row.title for row in page.rows] == [line.title for line in panel.lines]


def test_where_nobody_holds_columns_there_is_none(tmp_path):
    campaign = parse_campaign({"name": "n", "task": "digits-mlp", "attacks": [{"use": "dlg"}]})
    assert collect_hidden(RunFolder(tmp_path), campaign) is None
