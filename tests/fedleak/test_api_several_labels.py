"""Examples with several labels, or none: read off exactly where a message has one, found with the images where more."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fedleak.api import attack, observe, score
from fedleak.attacks.parts.classifier_head.label_rule import LabelRule
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

LABELS = 5
SETS = st.lists(st.booleans(), min_size=LABELS, max_size=LABELS)


def hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """A loss of a user's, which needs labels as floats."""
    return F.softplus(1 - (2 * labels - 1.0) * outputs).square().mean()


LOSSES: dict[str, Any] = {
    "binary": "binary-cross-entropy",
    "squares": "mean-squared-error",
    "weighted": nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 3.0, 2.0, 0.5, 1.0])),
    "own": hinge,
}


def network(activation: Callable[[], nn.Module] = nn.Sigmoid, *, bias: bool = True) -> nn.Module:
    torch.manual_seed(3)
    layers = (nn.Conv2d(3, 8, 3, padding=1), activation(), nn.Conv2d(8, 8, 3, 2, 1), activation(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(288, LABELS, bias=bias))


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 12, 12, generator=generator("several labels", seed))


def rows(*sets: tuple[int, ...]) -> Tensor:
    return torch.tensor([[int(label in own) for label in range(LABELS)] for own in sets])


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@settings(max_examples=12)
@given(chosen=SETS)
def test_the_set_of_one_example_is_exact_under_any_loss(loss: Any, chosen: list[bool]) -> None:
    seen = observe(network(), images(1), [chosen], loss=loss)
    guess = attack(seen, "auto-labels")
    assert guess.labels.tolist() == [[int(there) for there in chosen]]
    assert [one.value for one in score(guess, seen, ["label-recall"])] == [1.0]


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "adam", "learning_rate": 0.001},
        {"gradient_clipping": 0.01},
        {"epochs": 5, "learning_rate": 0.01, "momentum": 0.9},
        {"optimizer": "adamw", "weight_decay": 0.01, "epochs": 3, "learning_rate": 0.001},
    ],
    ids=str,
)
def test_under_binary_cross_entropy_it_is_so_however_clients_train(training: dict[str, Any]) -> None:
    for own in ((), (2,), (0, 3, 4), (0, 1, 2, 3, 4)):
        seen = observe(network(), images(1), rows(own), loss="binary-cross-entropy", **training)
        assert torch.equal(attack(seen, "auto-labels").labels, rows(own))


def test_without_a_bias_features_of_one_sign_show_it_and_others_refuse() -> None:
    for activation, failure in ((nn.ReLU, None), (nn.Tanh, "without a bias, and with features of both signs")):
        seen = observe(network(activation, bias=False), images(1), rows((1, 4)), loss="binary-cross-entropy")
        guess = attack(seen, "auto-labels")
        assert torch.equal(guess.labels, rows((1, 4))) if failure is None else failure in guess.failure


def test_the_update_is_torch_s_own() -> None:
    model, batch, labels = network(), images(4), rows((0,), (1, 2), (), (3, 4))
    seen = observe(model, batch, labels, loss="binary-cross-entropy", learning_rate=1.0).observation
    F.binary_cross_entropy_with_logits(model(batch), labels.float()).backward()
    for name, value in model.named_parameters():
        torch.testing.assert_close(seen.gradient()[name], value.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [cls.name for cls in attacks if issubclass(cls, LabelRule)])
def test_no_rule_tells_who_has_what_and_says_so(name: str) -> None:
    seen = observe(network(), images(2), rows((0,), (1, 2)), loss="binary-cross-entropy", auxiliary=public())
    assert "how often each label is there, and not which of them go together" in attack(seen, name).failure


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dlg", "inverting-gradients"])
def test_matching_finds_images_and_sets_together(name: str) -> None:
    truth = rows((0, 1), (1, 3))
    seen = observe(network(), images(2), truth, loss="mean-squared-error")
    guess = attack(seen, name, steps=300)
    assert sorted(guess.labels.tolist()) == sorted(truth.tolist())
    psnr, recall = (next(iter(score(guess, seen, [metric]))) for metric in ("psnr", "label-recall"))
    assert recall.value == 1.0
    assert psnr.value > psnr.baseline + 4


def test_closed_forms_prove_the_set_with_the_image() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 40), nn.ReLU(), nn.Linear(40, LABELS))
    seen = observe(model, images(1), rows((0, 2)), loss="binary-cross-entropy")
    guess = attack(seen, "analytic-linear")
    assert torch.equal(guess.labels, rows((0, 2)))
    assert guess.certificate
    assert (guess.inputs - images(1)).abs().max() < 1e-4


def test_blind_guesses_are_sets() -> None:
    seen = observe(network(), images(3), rows((0, 1), (2,), (0,)), loss="binary-cross-entropy", auxiliary=public())
    prior, drawn = (attack(seen, name).labels for name in ("prior", "no-access"))
    for guess in (prior, drawn):
        assert {tuple(row) for row in guess.tolist()} <= {tuple(row) for row in public().labels.tolist()}
    alone = observe(network(), images(1), rows((0,)), loss="binary-cross-entropy")
    assert torch.equal(attack(alone, "prior").labels, rows(()))


def public() -> Batch:
    return Batch(images(30, 7), rows(*[(0, 1)] * 15, *[(0,)] * 10, *[(1, 2)] * 5))


@pytest.mark.parametrize("labels", [[[True, False, True, False, False]], np.array([[1.0, 0.0, 1.0, 0.0, 0.0]])])
def test_rows_are_taken_as_people_have_them(labels: Any) -> None:
    assert torch.equal(observe(network(), images(1), labels, loss="binary-cross-entropy").truth.labels, rows((0, 2)))


@pytest.mark.parametrize(
    ("labels", "loss", "sentence"),
    [
        (rows((0,)), "cross-entropy", "a loss of several labels an example, got cross-entropy, which is of one"),
        (rows((0,)), nn.CrossEntropyLoss(), "take 'binary-cross-entropy' with an output for each of 5 classes"),
        (rows((0,))[:, :4], "binary-cross-entropy", "rows of 5 labels, as the model has 5 outputs, got rows of 4"),
        (
            2 * rows((0,)),
            "binary-cross-entropy",
            "got torch.int64 of shape .*; of several labels give rows of zeros and ones",
        ),
        (rows((0,)) / 2, "binary-cross-entropy", "probabilities and other targets cannot be attacked"),
    ],
)
def test_what_is_no_set_is_one_sentence(labels: Tensor, loss: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        observe(network(), images(1), labels, loss=loss)


def test_the_prior_of_sets_of_one_is_that_of_labels() -> None:
    labels = torch.randint(LABELS, (200,), generator=generator("labels"))
    known = Batch(images(200, 9), labels)
    sets = Batch(known.inputs, F.one_hot(labels, LABELS))
    truth = torch.tensor([0, 1, 1, 2, 3, 4, 4, 2])
    one = observe(network(), images(8), truth, loss="binary-cross-entropy", auxiliary=known)
    several = observe(network(), images(8), F.one_hot(truth, LABELS), loss="binary-cross-entropy", auxiliary=sets)
    assert attack(several, "prior").labels.argmax(1).sort().values.tolist() == attack(one, "prior").labels.tolist()


def test_to_name_a_constant_that_no_public_example_has_pays_no_more_than_the_prior() -> None:
    rare = torch.arange(1, 21).repeat(10)
    sets = torch.zeros(200, 21, dtype=torch.long)
    sets[:, 0], sets[torch.arange(200), rare] = 1, 1
    sets[torch.arange(200), 1 + rare % 20] = 1
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 21))
    seen = observe(model, images(1), sets[:1], loss="binary-cross-entropy", auxiliary=Batch(images(200, 9), sets))
    assert attack(seen, "prior").labels.nonzero()[:, 1].tolist() == [0]


@pytest.mark.slow
@pytest.mark.parametrize("loss", [nn.BCELoss(), "mean-squared-error"], ids=str)
def test_what_stands_behind_the_last_layer_is_reckoned_with(loss: Any) -> None:
    for own in ((), (2,), (0, 3, 4)):
        seen = observe(nn.Sequential(*network(), nn.Sigmoid()), images(1), rows(own), loss=loss)
        assert torch.equal(attack(seen, "auto-labels").labels, rows(own))
        assert attack(seen, "inverting-gradients", steps=2).failure is None
    label = torch.tensor([3])
    one = observe(nn.Sequential(*network(), nn.Sigmoid()), images(1), label, loss="mean-squared-error")
    assert torch.equal(attack(one, "auto-labels").labels, label)


@pytest.mark.parametrize(
    "defense",
    [
        {"use": "random-k", "fraction": 0.5},
        {"use": "top-k", "fraction": 0.1},
        {"use": "withhold", "layers": ["5.bias"]},
        {"use": "gaussian-noise", "std": 0.001},
    ],
    ids=str,
)
def test_what_was_not_sent_is_no_label_that_is_not_there(defense: dict[str, Any]) -> None:
    for own in ((), (2,), (0, 3, 4), (0, 1, 2, 3, 4)):
        seen = observe(network(), images(1), rows(own), loss="binary-cross-entropy", defense=[defense])
        assert torch.equal(attack(seen, "auto-labels").labels, rows(own))


def test_a_pull_that_rounds_away_is_decided_by_the_score() -> None:
    model, batch = network(), images(1)
    with torch.no_grad():
        model[-1].bias.copy_(torch.tensor([40.0, -40.0, 40.0, 0.1, -0.1]))
    seen = observe(model, batch, rows((0, 2, 4)), loss="binary-cross-entropy", learning_rate=0.01)
    assert torch.equal(attack(seen, "auto-labels").labels, rows((0, 2, 4)))


def test_several_steps_are_not_taken_for_one() -> None:
    seen = observe(network(), images(1), rows((1, 3)), loss="mean-squared-error", epochs=5, learning_rate=0.3)
    assert "read off the gradient of one local step, and none explains this update" in attack(seen, "bias-sign").failure
    masked = observe(network(), images(1), rows((1, 3)), loss="mean-squared-error",
                     defense=[{"use": "withhold", "layers": ["5.weight"]}])  # fmt: skip
    assert attack(masked, "bias-sign").labels is None


def test_batches_of_sets_behind_closed_forms_keep_the_sets_that_fit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 60), nn.ReLU(), nn.Linear(60, LABELS))
    truth = rows((0, 2), (1, 2, 3))
    guess = attack(observe(model, images(2), truth, loss="binary-cross-entropy"), "analytic-linear")
    assert len(guess.inputs) == 2
    assert sorted(guess.labels.tolist()) == sorted(truth.tolist())


def test_labels_of_other_examples_are_of_the_same_kind() -> None:
    other = Batch(images(9, 4), torch.arange(9) % LABELS)
    for name in ("auxiliary", "strangers"):
        with pytest.raises(ConfigError, match=f"labels of {name} of shape"):
            observe(network(), images(1), rows((0,)), loss="binary-cross-entropy", **{name: other})
    with pytest.raises(ConfigError, match=r"one for each image, got \(2, 1\); give labels\[:, 0\]"):
        observe(network(), images(2), torch.tensor([[0], [1]]), loss="binary-cross-entropy")
    scalar = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0))
    assert torch.equal(
        attack(observe(network(), images(1), rows((0, 2)), loss=scalar), "auto-labels").labels, rows((0, 2))
    )
