"""A kind of example that is no image goes down the whole line: what a plug-in of one's own would bring.

Rows of numbers between -1 and 3, without neighbors, behind a perceptron; nothing in fedleak knows of them.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from fedleak.api import Capture, attack, score
from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import metrics
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.federation.reply import reply
from fedleak.figures.panels import beside, draw
from fedleak.goals.matching import match
from fedleak.learning.batch import Batch
from fedleak.learning.space import Images, InputSpace, require_images, space_from
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of
from fedleak.vault.batches import PrivateBatch, deposit, withdraw

CLASSES = 3


@dataclass(frozen=True)
class Rows(InputSpace):
    """Rows of a table: numbers between two others, in an order that says nothing."""

    columns: int
    low: float
    high: float
    kind: ClassVar = "rows"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.columns,)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def words(self) -> str:
        return f"rows of {self.columns} numbers"

    def picture(self, example: Tensor) -> Tensor:
        """A strip, dark for small numbers."""
        return self.shares(example.detach().float().nan_to_num(self.middle))[None, None]


ROWS = Rows(8, -1.0, 3.0)


def batch(count: int, seed: str = "rows") -> Batch:
    return Batch(ROWS.uniform(count, generator(seed)), torch.arange(count) % CLASSES, ROWS)


def captured(activation: Callable[[], nn.Module], examples: int = 1) -> Capture:
    """What a server sees of one step on rows."""
    with seeded("perceptron of rows"):
        network = nn.Sequential(nn.Linear(8, 64), activation(), nn.Linear(64, CLASSES))
    task, truth = Task("rows-mlp", network, ROWS.shape, CLASSES, given=ROWS), batch(examples)
    facts = LocalTraining(batch_size=examples)
    before = weights_of(network)
    after = reply(task, before, truth, facts, Chain(), ("rows", 0)).weights
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    observation = Observation(
        task=task,
        before=before,
        update=Update(delta, UpdateKind.DELTA),
        num_examples=examples,
        training=facts,
        auxiliary=batch(40, "public rows"),
    )
    return Capture(observation, truth)


SMOOTH, KINKED = captured(nn.Sigmoid), captured(nn.ReLU)


def by_metric(guess, capture: Capture) -> dict[str, float]:
    return {one.metric: one.value for one in score(guess, capture)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "decibels"),
    [
        ("dlg", {}, 60),
        ("inverting-gradients", {}, 60),
        ("inverting-gradients", {"optimiser": "signed-adam"}, 20),
        ("analytic-linear", {}, 80),
        ("r-gap", {}, 60),
    ],
)
def test_a_row_is_rebuilt_in_its_own_range(name: str, options: dict, decibels: float) -> None:
    guess = attack(SMOOTH, name, **options)
    assert guess.failure is None
    assert guess.inputs.shape == (1, 8)
    figures = by_metric(guess, SMOOTH)
    assert figures["psnr"] > decibels
    assert figures["label-recall"] == 1.0


@pytest.mark.parametrize("name", ["analytic-linear", "spear", "cocktail-party"])
def test_several_rows_are_told_apart(name: str) -> None:
    capture = captured(nn.ReLU, 2)
    guess = attack(capture, name)
    assert guess.failure is None
    assert (guess.inputs.abs() > 1.0).any()  # where a pixel could not be
    assert by_metric(guess, capture)["psnr"] > (40 if name == "spear" else 15)


@pytest.mark.parametrize("rule", ["auto-labels", "idlg-rows", "llg", "geng-counts", "dimitrov-counts", "rlu", "ilrg"])
def test_labels_are_inferred_of_rows(rule: str) -> None:
    guess = attack(KINKED, rule)
    assert guess.failure is None
    assert guess.labels.tolist() == KINKED.truth.labels.tolist()


@pytest.mark.parametrize("name", ["prior", "no-access", "class-mean"])
def test_blind_guesses_are_rows(name: str) -> None:
    guess = attack(KINKED, name)
    assert guess.inputs.shape == (1, 8)
    assert (guess.inputs.abs() > 1.0).any()
    assert guess.properties is None


def test_without_public_rows_the_prior_is_the_middle_of_their_range() -> None:
    assert attack(KINKED.observation.with_auxiliary(None), "prior").inputs.unique().tolist() == [1.0]


@pytest.mark.slow
def test_a_learned_attack_gives_rows_in_their_range() -> None:
    guess = attack(SMOOTH, "lti", shadows=40, epochs=1)
    assert guess.inputs.shape == (1, 8)
    assert ROWS.low < guess.inputs.min() < guess.inputs.max() < ROWS.high


@pytest.mark.parametrize("name", ["april", "cpl", "grad-inversion", "generative-prior", "grnn", "property-inference"])
def test_what_is_for_images_refuses_in_a_sentence(name: str) -> None:
    failure = attack(SMOOTH, name).failure
    assert failure.endswith("is for images, and the examples are rows of 8 numbers")


def test_psnr_is_by_the_range_of_the_rows() -> None:
    off = SMOOTH.truth.inputs.clamp(-0.9, 2.9) + 0.04  # a hundredth of the range
    truth = Batch(SMOOTH.truth.inputs.clamp(-0.9, 2.9), SMOOTH.truth.labels, ROWS)
    guess = Batch(off, truth.labels, ROWS)
    assert metrics.build("psnr", {}).per_sample(guess, truth) == pytest.approx([40.0], abs=1e-4)
    assert metrics.build("psnr-seen", {}).per_sample(guess, truth) == pytest.approx([40.0], abs=1e-4)
    assert metrics.build("mse", {}).per_sample(guess, truth) == pytest.approx([1e-4], abs=1e-8)


def test_scores_say_what_makes_no_sense_of_rows() -> None:
    psnr, ssim, rest = (
        one for one in score(attack(SMOOTH, "no-access"), SMOOTH, ["psnr", "ssim", "property-accuracy"])
    )
    assert math.isnan(psnr.single_color)
    assert math.isfinite(psnr.nearest_public)
    assert psnr.threshold >= 20
    assert not ssim.applicable
    assert ssim.reason == "SSIM is for images, and the examples are rows of 8 numbers"
    assert not rest.applicable


def test_guesses_are_matched_within_the_range() -> None:
    truth = Batch(torch.tensor([[-1.0] * 8, [3.0] * 8]), torch.tensor([0, 1]), ROWS)
    assert match(torch.tensor([[9.0] * 8, [-0.9] * 8]), truth).tolist() == [1, 0]


def test_a_row_has_a_picture(tmp_path: Path) -> None:
    guess = attack(SMOOTH, "dlg").inputs
    panel = beside("rows", guess, SMOOTH.truth, ROWS)
    assert [line.title for line in panel.lines] == ["truth", "guess"]
    shown = panel.lines[0].pictures[0].image
    assert torch.allclose(shown[0, 0], (SMOOTH.truth.inputs[0] + 1) / 4)
    assert draw(panel, tmp_path / "rows.png").is_file()


def test_the_vault_keeps_what_the_examples_are(tmp_path: Path) -> None:
    truth = PrivateBatch(examples=batch(2), training=LocalTraining(), seed_key=(0,), client=0, round=1)
    deposit(tmp_path, truth)
    assert withdraw(tmp_path, 1, 0).examples.space == ROWS == space_from(ROWS.facts())


def test_a_vault_of_before_holds_images(tmp_path: Path) -> None:
    images = Batch(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))
    deposit(tmp_path, PrivateBatch(examples=images, training=LocalTraining(), seed_key=(0,), client=0, round=1))
    facts = tmp_path / "round-0001" / "client-0000.json"
    facts.write_text(json.dumps({key: value for key, value in json.loads(facts.read_text()).items() if key != "space"}))
    assert withdraw(tmp_path, 1, 0).examples.space == Images(1, 4, 4)


def test_images_are_asked_for_by_their_type() -> None:
    with pytest.raises(NotApplicable, match=r"^SSIM is for images, and the examples are rows of 8 numbers$"):
        require_images(ROWS, "SSIM")
