"""A gallery shows the truth, the prior and each guess; where there is no guess it says why."""

import pytest
import torch
from matplotlib.image import imread

from fedleak.contracts.attack import attacks
from fedleak.errors import OutputError
from fedleak.experiment.grid import parse_campaign
from fedleak.figures.gallery import COLUMNS, NO_GUESSES, collect, rebuilds_from_updates
from fedleak.figures.panels import DOTS, Line, Panel, Picture, draw
from fedleak.run import run

pytestmark = pytest.mark.slow

TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "metrics": ["label-recall"],
    "federation": {"clients": 5, "batch_size": 2},
    "adversary": {"auxiliary": 16},
    "attacks": [{"use": "analytic-linear"}, {"use": "bias-sign"}],
    "defenses": [{"name": "none"}, {"name": "summed", "chain": [{"use": "secure-aggregation"}]}],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    experiment = parse_campaign(TREE)
    return run(experiment, tmp_path_factory.mktemp("gallery") / "run").folder, experiment


def test_a_line_for_truth_prior_and_each_defense_with_an_attack_on_images(finished):
    panel = collect(*finished)
    assert [(line.title, line.subtitle.split("\n")[0]) for line in panel.lines] == [
        ("truth", ""),
        ("prior", "no update used"),
        ("none", "analytic-linear"),
        ("summed", "analytic-linear"),
        ("summed", "analytic-linear"),
    ]
    assert all(len(line.pictures) == len(panel.columns) for line in panel.lines)


def test_large_cohorts_are_cut_and_the_picture_says_so(finished):
    panel = collect(*finished)
    assert len(panel.columns) == COLUMNS
    assert "8 of 10 examples shown" in panel.note
    assert {heading.split("\n")[0] for heading in panel.columns} == {f"client {i}" for i in range(5)}


def test_each_guess_has_an_image_or_a_reason_never_both(finished):
    for line in collect(*finished).lines:
        for picture in line.pictures:
            assert (picture.image is None) == bool(picture.reason)
            assert picture.image is None or line.title == "truth" or picture.caption.endswith(" dB")


def test_a_client_that_sent_nothing_is_said_in_words(finished):
    folder, experiment = finished
    cell = folder.reconstructions / "none" / "round-0001" / "client-0003" / "analytic-linear.json"
    kept = cell.read_bytes()
    cell.unlink()
    try:
        line = next(line for line in collect(folder, experiment).lines if line.title == "none")
    finally:
        cell.write_bytes(kept)
    assert {picture.reason for picture in line.pictures} >= {"nothing was sent"}


def test_where_no_attack_rebuilds_examples_there_is_the_truth_and_a_word_on_it(finished):
    folder, _ = finished
    panel = collect(folder, parse_campaign(TREE | {"attacks": [{"use": "bias-sign"}]}))
    assert [line.title for line in panel.lines] == ["truth"]
    assert panel.note.endswith(NO_GUESSES)


@pytest.mark.parametrize(
    ("attack", "from_updates"),
    [("analytic-linear", True), ("lomia", False), ("mgan-ai", False), ("confidence-inversion", False)],
)
def test_attacks_on_models_and_on_classes_have_no_line_beside_examples(attack, from_updates):
    assert rebuilds_from_updates({"use": attack}) is from_updates


def panel_of(columns):
    image = torch.zeros(3, 4, 4)
    image[0] = 1.0
    pictures = (Picture(image=image, caption="9.0 dB"), *[Picture(reason="it diverged")] * (columns - 1))
    return Panel(title="t", columns=("c",) * columns, lines=(Line(title="truth", pictures=pictures),), note="n")


@pytest.mark.parametrize("columns", [1, 4, 8])
def test_pictures_are_drawn_crisp_and_a_reason_is_never_black(tmp_path, columns):
    pixels = imread(draw(panel_of(columns), tmp_path / "gallery.png"))[..., :3]
    red = (pixels == torch.tensor([1.0, 0.0, 0.0]).numpy()).all(-1)
    assert red.sum() > (DOTS * 1.1) ** 2
    assert (pixels.max(-1) < 0.05).mean() < 0.02


def test_a_gallery_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        draw(panel_of(1), tmp_path / "file" / "gallery.png")


def test_attacks_that_only_guess_labels_have_no_line(finished):
    assert "bias-sign" in {cls.name for cls in attacks}
    assert all("bias-sign" not in line.subtitle for line in collect(*finished).lines)
