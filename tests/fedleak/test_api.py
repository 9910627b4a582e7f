"""Capture, attack and score from Python, also with a model of one's own."""

import math

import pytest
import torch
from torch import nn

from fedleak.api import attack, capture, observe, score
from fedleak.errors import ConfigError, FederationError
from fedleak.federation import engine
from fedleak.federation.outcome import FederationReport, lost_round
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

IMAGES = torch.rand(4, 1, 5, 5, generator=generator("images"))
LABELS = torch.tensor([0, 2, 1, 2])


def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 12), nn.ReLU(), nn.Linear(12, 3))


def test_one_s_own_model_is_observed_and_left_alone() -> None:
    mine = model().train()
    held = {name: value.clone() for name, value in mine.state_dict().items()}
    captured = observe(mine, IMAGES[:1], LABELS[:1])
    psnr, recall = score(attack(captured, "analytic-linear"), captured, ["psnr", "label-recall"])
    assert psnr.value > 60 > psnr.baseline
    assert recall.value == 1
    assert mine.training
    assert all(torch.equal(value, held[name]) for name, value in mine.state_dict().items())


class Normalized(nn.Module):
    """As torchvision's models expect it: each channel scaled and shifted before the first layer."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - 0.485) / 0.229


@pytest.mark.parametrize("name", ["analytic-linear", "spear"])
def test_an_exact_attack_reads_through_normalization(name: str) -> None:
    torch.manual_seed(0)
    mine = nn.Sequential(Normalized(), nn.Flatten(), nn.Linear(25, 60), nn.ReLU(), nn.Linear(60, 3))
    for batch in (1, 2):
        captured = observe(mine, IMAGES[:batch], LABELS[:batch])
        assert score(attack(captured, name), captured, ["psnr"])[0].best > 50


@pytest.mark.parametrize("in_front", [nn.Sigmoid(), nn.BatchNorm2d(1), nn.Dropout(0.5), nn.AvgPool2d(3, 1, 1)])
def test_an_exact_attack_is_refused_where_the_layer_sees_something_else(in_front: nn.Module) -> None:
    captured = observe(nn.Sequential(in_front, *model()), IMAGES[:1], LABELS[:1])
    for name in ("analytic-linear", "spear", "r-gap"):
        assert attack(captured, name).failure


def test_the_walk_back_is_refused_where_the_network_does_more_than_its_layers() -> None:
    class Inverted(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = super().forward(1 - images)
            return scores

    captured = observe(Inverted(*model()), IMAGES[:1], LABELS[:1])
    assert "of its own" in str(attack(captured, "r-gap").failure)
    assert score(attack(captured, "analytic-linear"), captured, ["psnr"])[0].value > 60


def test_what_is_frozen_is_neither_trained_nor_sent() -> None:
    mine = model()
    for value in mine[1].parameters():
        value.requires_grad_(False)
    captured = observe(mine, IMAGES[:1], LABELS[:1])
    assert set(captured.observation.update.tensors) == {"3.weight", "3.bias"}
    assert attack(captured, "analytic-linear").failure
    assert score(attack(captured, "bias-sign"), captured, ["label-recall"])[0].value == 1
    assert torch.isfinite(attack(captured, "inverting-gradients", steps=3).inputs).all()


def test_a_frozen_head_has_no_labels_to_read() -> None:
    mine = model()
    mine[3].requires_grad_(False)
    assert "is trained" in str(attack(observe(mine, IMAGES[:1], LABELS[:1]), "bias-sign").failure)


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (IMAGES * 255, LABELS, r"expected images in \[0, 1\], got .* put the normalization into the model"),
        (IMAGES - 0.5, LABELS, r"expected images in \[0, 1\], got -0."),
        (IMAGES.masked_fill(IMAGES > 0.9, math.nan), LABELS, r"expected images in \[0, 1\], got nan"),
        ((IMAGES * 255).byte(), LABELS, "expected images as floats of shape"),
        (IMAGES[0], LABELS, "expected images as floats of shape"),
        (IMAGES[:0], LABELS[:0], "expected images as floats of shape"),
        (IMAGES.to_sparse(), LABELS, "expected images as floats of shape .*sparse"),
        (IMAGES.to("meta"), LABELS, "expected images as floats of shape .*on meta"),
        ((IMAGES, IMAGES), LABELS, "expected images as one tensor, got tuple of 2; give a model of several inputs in"),
        ({"pixel_values": IMAGES}, LABELS, "expected images as one tensor, got dict of 1"),
        (IMAGES, ["cat", "dog", "cat", "dog"], "expected a class index for each of 4 images, got list of 4"),
        (IMAGES, LABELS > 0, "expected a class index for each of 4 images, got torch.bool"),
        (IMAGES, LABELS[:, None], r"expected labels of shape \(4,\), one for each image, got \(4, 1\); give"),
        (IMAGES, LABELS - 1, "expected labels from 0 to 2, as the model has 3 outputs, got -1 to 1"),
        (IMAGES[..., :4], LABELS, "the model does not run on an example of shape"),
        (IMAGES, LABELS.float(), "expected a class index for each of 4 images, got torch.float32"),
        (IMAGES, LABELS[:2], "expected a class index for each of 4 images"),
        (IMAGES, torch.eye(3)[LABELS] / 2, "expected a class index for each of 4 images"),
        (IMAGES, LABELS + 1, "expected labels from 0 to 2, as the model has 3 outputs, got 1 to 3"),
    ],
)
def test_examples_that_are_none_are_refused(images: torch.Tensor, labels: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"observe: {sentence}"):
        observe.__wrapped__(model(), images, labels)  # type: ignore[attr-defined]  # without the types' own complaint


def test_models_that_are_none_are_refused() -> None:
    for mine, sentence in [
        (model().requires_grad_(False), "expected a model with parameters to train"),
        (nn.Sequential(nn.Flatten(), nn.Linear(25, 1)), r".* for two classes or more, got shape \(4, 1\)"),
        (nn.Conv2d(1, 3, 1), r"expected scores of shape \(batch, classes\)"),
    ]:
        with pytest.raises(ConfigError, match=f"observe: {sentence}"):
            observe(mine, IMAGES, LABELS)


def test_gradients_must_be_on() -> None:
    with torch.no_grad(), pytest.raises(ConfigError, match="observe: gradients are off"):
        observe(model(), IMAGES, LABELS)
    captured = observe(model(), IMAGES[:1], LABELS[:1])
    with torch.inference_mode():
        assert attack(captured, "dlg", steps=2).failure is None


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES.numpy(), LABELS.numpy()),
        (IMAGES, LABELS.tolist()),
        (IMAGES.to(memory_format=torch.channels_last), LABELS.byte()),
        (IMAGES.clone().requires_grad_(), LABELS.to(torch.uint16)),
        (IMAGES.double(), LABELS.int()),
    ],
)
def test_examples_are_taken_as_people_have_them(images: torch.Tensor, labels: torch.Tensor) -> None:
    torch.manual_seed(0)
    mine = model()
    captured = observe(mine, images, labels)
    assert torch.equal(captured.truth.inputs.float(), IMAGES)
    assert torch.equal(captured.truth.labels, LABELS)
    usual = observe(mine, IMAGES, LABELS).observation.update.vector()
    assert torch.allclose(captured.observation.update.vector(), usual, atol=1e-7)
    assert attack(captured, "bias-sign").failure is None
    score(attack(captured, "dlg", steps=1), captured)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_client_computes_in_the_model_s_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mine = nn.Sequential(nn.Flatten(), nn.Linear(25, 60), nn.Sigmoid(), nn.Linear(60, 3)).to(dtype)
    captured = observe(mine, IMAGES[:1], LABELS[:1])
    assert all(value.dtype is dtype for value in captured.observation.update.tensors.values())
    floor = {torch.float16: 40, torch.bfloat16: 25, torch.float64: 60}[dtype]
    assert score(attack(captured, "analytic-linear"), captured, ["psnr"])[0].value > floor
    assert score(attack(captured, "auto-labels"), captured, ["label-recall"])[0].value == 1
    assert torch.isfinite(attack(captured, "inverting-gradients", steps=3).inputs).all()


def test_lazy_layers_get_the_same_weights_from_the_same_seed() -> None:
    mine = nn.Sequential(nn.Flatten(), nn.LazyLinear(12), nn.ReLU(), nn.LazyLinear(3))
    one, same, other = (observe(mine, IMAGES, LABELS, seed=seed).observation.before for seed in (0, 0, 1))
    assert torch.equal(one.parameters["1.weight"], same.parameters["1.weight"])
    assert not torch.equal(one.parameters["1.weight"], other.parameters["1.weight"])


def test_modules_in_both_modes_are_refused_unless_one_is_said() -> None:
    mine = nn.Sequential(nn.BatchNorm2d(1), *model())
    mine[0].eval()
    with pytest.raises(ConfigError, match="observe: 'the model' is in train mode and '0' in eval mode"):
        observe(mine, IMAGES, LABELS)
    assert observe(mine, IMAGES, LABELS, mode="eval").observation.training.mode == "eval"


def test_a_smaller_batch_means_more_steps_and_says_so() -> None:
    facts = observe(model(), IMAGES, LABELS, batch_size=3).observation.training
    assert (facts.batch_size, facts.batches, facts.steps) == (3, 2, 2)


def test_a_defense_acts_as_in_a_federation() -> None:
    captured = observe(model(), IMAGES, LABELS, defense=[{"use": "top-k", "fraction": 0.1}])
    vector = captured.observation.update.vector()
    assert 0 < int((vector != 0).sum()) <= -(-len(vector) // 10)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"defense": [{"use": "secure-aggregation"}]}, "needs a federation of several clients"),
        ({"learning_rat": 0.1}, "learning_rat: unknown field; did you mean 'learning_rate'"),
        ({"learning_rate": None}, "learning_rate: expected"),
        ({"batch_size": 0}, "batch_size: expected"),
    ],
)
def test_what_cannot_be_observed_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        observe(model(), IMAGES, LABELS, **options)


@pytest.mark.slow
def test_a_capture_is_one_for_each_message() -> None:
    captures = capture("digits-mlp", clients=3, rounds=2, defense=[{"use": "secure-aggregation"}])
    assert [one.observation.masked for one in captures] == [True, True, True, False] * 2
    assert len(captures[3].truth) == 3
    with pytest.raises(ConfigError, match="2 clients or more"):
        capture("digits-mlp", clients=1, defense=[{"use": "secure-aggregation"}])


def test_a_round_that_was_lost_is_no_client_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = lost_round(1, FederationError("too few signed"), planned=False)
    report = FederationReport(recordings=(), failures=[lost], seconds=0.0, evaluation={}, costs={})
    monkeypatch.setattr(engine, "run_federation", lambda plan: report)
    with pytest.raises(FederationError, match=r"^round 1 was lost: FederationError: too few signed$"):
        capture("digits-mlp", clients=3, defense=[{"use": "secure-aggregation"}])


def test_scores_have_both_blind_guesses_beside_them() -> None:
    public = Batch(torch.rand(9, 1, 5, 5, generator=generator("public")), torch.arange(9) % 3)
    with_data = observe(model(), IMAGES[:1], LABELS[:1], auxiliary=public)
    figure = score(attack(with_data, "analytic-linear"), with_data, ["psnr"])[0]
    assert figure.value > figure.baseline > figure.no_access
    without = observe(model(), IMAGES[:1], LABELS[:1])
    figure = score(attack(without, "analytic-linear"), without, ["psnr"])[0]
    assert figure.value > figure.baseline
    assert math.isnan(figure.no_access)


EXACT = {"use": "analytic-linear"}


def test_a_guess_at_one_client_of_a_sum_is_scored_by_its_examples() -> None:
    victim, masks = {"use": "inconsistency", "victim": 1}, {"use": "secure-aggregation", "binds_model": False}
    captured = capture("digits-mlp", clients=3, server=[victim], defense=[masks])[-1]
    guess = attack(captured, "isolated", attack=EXACT)
    assert len(captured.truth) == 3
    psnr, found = score(guess, captured, ["psnr", "label-recall"])
    assert [value > 60 for value in psnr.per_sample] == [True]
    assert found.value == 1
    assert captured.observation.num_examples == 3, "whom a guess is about is no part of what was seen"
    known = attack(captured, "isolated", attack={"use": "update-cosine"})
    assert len(known.membership) == len(captured.challenge.candidates)
    assert score(known, captured, ["membership-auc"])[0].value == 1


def test_a_guess_at_one_class_of_a_sum_is_scored_by_all_of_that_class() -> None:
    captured = capture("digits-mlp", clients=3, batch_size=4, seed=1, server=[{"use": "fishing", "target_class": 3}])[0]
    assert captured.truth.labels.tolist().count(3) == 1
    figure = score(attack(captured, "fished", attack=EXACT), captured, ["psnr"])[0]
    assert [value > 40 for value in figure.per_sample] == [True]
