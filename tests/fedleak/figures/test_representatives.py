"""Classes in a gallery: private examples, blind guesses, and what each attack shows, with what is said of it."""

import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fedleak.experiment.grid import parse_campaign
from fedleak.figures.gallery import draw_gallery
from fedleak.figures.representatives import CAPTIONS, collect_classes
from fedleak.run import run

pytestmark = pytest.mark.slow

ON_MODELS = [{"use": "confidence-inversion"}, {"use": "mi-face", "steps": 5}]
TREE = {
    "name": "tiny",
    "seed": [1, 2],
    "task": "digits-mlp",
    "federation": {"clients": 2, "rounds": 2, "batch_size": 16, "batches": "all", "release": "every"},
    "adversary": {"auxiliary": 64, "lacks": [0, 1], "queries": [8, 16]},
    "attacks": ON_MODELS,
    "defenses": [{"name": "none"}, {"name": "label", "chain": [{"use": "label-only"}]}],
}
KNOWN = ["private class mean", "private example", "prior", "no access"]


def finished(tree, folder):
    campaign = parse_campaign(tree)
    return run(campaign, folder / "run").folder, campaign


@pytest.fixture(scope="module")
def of_models(tmp_path_factory):
    return finished(TREE, tmp_path_factory.mktemp("classes"))


def test_a_line_for_what_is_private_what_is_blind_and_each_defense_with_an_attack(of_models):
    panel = collect_classes(*of_models)
    assert panel.columns == ("class 0", "class 1")
    assert [line.title for line in panel.lines[:4]] == KNOWN
    guesses = [("none", "confidence-inversion"), ("none", "mi-face"), ("label", "confidence-inversion")]
    assert [(line.title, line.subtitle) for line in panel.lines[4:]] == guesses  # the weights are the same under both
    assert all(len(line.pictures) == 2 for line in panel.lines)


def test_it_is_of_the_last_model_the_first_seed_and_the_most_queries(of_models):
    note = collect_classes(*of_models).note
    assert note.startswith("the model after round 2; one of 4 settings, seed 1, 16 queries; ")
    assert note.endswith(CAPTIONS)


def test_each_guess_says_whether_it_was_recognised_and_blind_ones_never_are(of_models):
    lines = {(line.title, line.subtitle): line for line in collect_classes(*of_models).lines}
    guesses = [picture for (title, _), line in lines.items() if title in ("none", "label") for picture in line.pictures]
    assert {picture.caption.rpartition(", ")[0] for picture in guesses} <= {"recognised", "judges alone", "not"}
    prior = next(line for (title, _), line in lines.items() if title == "prior")
    assert all(picture.caption.startswith("not, ") for picture in prior.pictures)
    assert all(picture.caption == "" for title in KNOWN[:2] for (own, _), line in lines.items() if own == title
               for picture in line.pictures)  # fmt: skip


def test_a_lost_guess_is_said_in_words(of_models):
    folder, campaign = of_models
    cell = next(folder.reconstructions.glob("seed=1/none/round-0002/model/mi-face*queries=16.json"))
    kept = cell.read_bytes()
    cell.unlink()
    try:
        lost = collect_classes(folder, campaign).lines[5]
    finally:
        cell.write_bytes(kept)
    assert all(picture.image is None and picture.reason for picture in lost.pictures)


def test_a_run_on_models_alone_has_one_gallery_and_one_on_updates_too_has_two(of_models, tmp_path):
    folder, _ = of_models
    assert imread(folder.gallery).size
    assert not folder.gallery_of_classes.exists()
    once = {**TREE, "seed": 1, "adversary": {**TREE["adversary"], "queries": 8},
            "federation": {"clients": 2, "batch_size": 2, "release": "last"}}  # fmt: skip
    both, campaign = finished({**once, "attacks": [*ON_MODELS, {"use": "analytic-linear"}]}, tmp_path)
    assert imread(both.gallery).size
    assert imread(both.gallery_of_classes).size
    assert draw_gallery(both, campaign) == both.gallery


def test_without_the_vault_guesses_stand_beside_blind_ones_alone(of_models, tmp_path):
    folder, campaign = of_models
    vault = folder.root / "vault"
    vault.rename(tmp_path / "vault")
    try:
        panel = collect_classes(folder, campaign)
    finally:
        (tmp_path / "vault").rename(vault)
    assert [line.title for line in panel.lines[:2]] == KNOWN[2:]


def test_where_nobody_was_asked_about_classes_there_are_none(of_models):
    tree = {"name": "labels", "task": "digits-mlp", "attacks": [{"use": "bias-sign"}], "defenses": [{"name": "none"}]}
    assert collect_classes(of_models[0], parse_campaign(tree)) is None


def test_tensorboard_has_the_private_class_means_and_the_guesses(of_models):
    folder, _ = of_models
    events = next(folder.tensorboard.glob("seed=1/none/round-0002/model/mi-face*queries=16"))
    read = EventAccumulator(str(events), size_guidance={"images": 0}).Reload()
    tags = read.Tags()
    named = {tag for kind in ("images", "tensors") for tag in tags[kind]}
    assert any(tag.startswith("private class means") for tag in named)
    assert any(tag.startswith("guesses of classes") for tag in named)
