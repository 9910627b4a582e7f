"""Which share of everybody has a property, off the weights of released models: laws, cuts and what cannot be read."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.shadows import ShadowBank
from fedleak.data.splits import load
from fedleak.evaluation.scoring import score
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.tasks import task_of

SHARES, EXAMPLES, TARGETS = (0.2, 0.8), 30, 8
PROPERTY = "label=above 140.5"
"""So plain to see that forty models tell; of the sex, which models are not trained for, it takes hundreds."""
TRAINING = LocalTraining(batch_size=8, epochs=4, learning_rate=0.1, momentum=0.9)
READING = ("meta-classifier", "sorted-neurons", "deep-sets")
TASK = "diabetes-mlp"


class Kept(ShadowBank):
    """Trains what it is asked for once."""

    def __init__(self) -> None:
        self.kept: dict[str, NamedTensors] = {}

    def trained(self, asked):
        if asked.address not in self.kept:
            self.kept[asked.address] = asked.trained()
        return self.kept[asked.address]


@pytest.fixture(scope="module")
def models() -> tuple[list[Released], list[Batch]]:
    """Models of patients, by turns of the first share and of the second, and who was behind each."""
    task, bank, splits = task_of(TASK), Kept(), load(TASK)
    asked, _ = federations_by_share(
        task,
        splits.clients,
        TRAINING,
        has=having(splits.clients, PROPERTY, "here"),
        shares=SHARES,
        federations=TARGETS,
        clients=2,
        examples=EXAMPLES,
        rounds=3,
    )
    stacked = asked.trained()
    known = {"training": TRAINING, "num_examples": EXAMPLES, "auxiliary": splits.auxiliary, "shadows": bank}
    views = [
        Released(
            task=task,
            weights=Weights({name: value[place] for name, value in stacked.items()}, {}),
            cohort=(0, 1),
            round=3,
            property=PROPERTY,
            shares=SHARES,
            **known,
        )
        for place in range(TARGETS)
    ]
    return views, [splits.clients[own] for own in asked.shares.flatten(1)]


@pytest.fixture(scope="module")
def guessed(models) -> dict[str, list[Reconstruction]]:
    return {name: [guess(name, view) for view in models[0]] for name in READING}


def guess(name: str, view: Released, seed: int = 0, **options: int) -> Reconstruction:
    return attacks.build(name, {"shadows": 40, **options}).run(view, generator(seed))


def accuracy(guesses: list[Reconstruction], truths: list[Batch], view: Released) -> float:
    """As a run scores it, beside guesses without access, which are right half of the time."""
    metric = (metrics.build("property-accuracy", {}),)
    blind = [attacks.build(name, {}).run(view, generator(0)) for name in ("prior", "no-access")]
    scores = [
        score(made, truth, metric, blind[0], blind[1:], view=view)[0]
        for made, truth in zip(guesses, truths, strict=True)
    ]
    assert all(one.baseline == one.no_access == 0.5 for one in scores)
    return sum(one.value for one in scores) / len(scores)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("meta-classifier", 0.5), ("sorted-neurons", 0.6), ("deep-sets", 0.9)])
def test_shares_are_told_apart(name: str, least: float, models, guessed) -> None:
    """Weights in a row tell less: of forty models nearly nothing."""
    views, truths = models
    found = accuracy(guessed[name], truths, views[0])
    assert found >= least


def test_weights_under_other_truths_are_guessing(models, guessed) -> None:
    """Models shuffled among those who trained them: over all turns each guess meets either share as often."""
    views, truths = models
    for guesses in guessed.values():
        turned = [accuracy(guesses[turn:] + guesses[:turn], truths, views[0]) for turn in range(TARGETS)]
        assert sum(turned) / TARGETS == pytest.approx(0.5)


@pytest.mark.parametrize("name", READING)
def test_of_a_model_of_its_own_in_place_of_the_released_one_it_guesses(name: str, models) -> None:
    """The channel cut: whatever it says it says of everybody, and is right of half."""
    views, truths = models
    own = {key: value[7] for key, value in views[0].shadows.trained(_asked(views[0])).items()}
    guesses = [guess(name, replace(views[0], weights=Weights(own, {})))] * TARGETS
    assert accuracy(guesses, truths, views[0]) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["sorted-neurons", "deep-sets"])
def test_the_order_of_hidden_neurons_says_nothing(name: str, models) -> None:
    view = models[0][0]
    one, other = guess(name, view).properties, guess(name, shuffled(view)).properties
    assert one is not None
    assert other is not None
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_to_a_classifier_of_weights_in_a_row_it_does(models) -> None:
    view = models[0][0]
    one, other = (guess("meta-classifier", each).properties for each in (view, shuffled(view)))
    assert one is not None
    assert other is not None
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("name", READING)
def test_three_shares_are_three_probabilities(name: str, models) -> None:
    view = replace(models[0][1], shares=(0.2, 0.5, 0.8))
    told = guess(name, view, shadows=12).properties
    assert told is not None
    assert told.shape == (3,)
    assert told.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["sorted-neurons", "deep-sets"])
def test_what_is_no_perceptron_is_refused(name: str, models) -> None:
    digits = load("digits-convnet")
    task = task_of("digits-convnet")
    view = replace(models[0][0], task=task, weights=Weights.of(task.network), auxiliary=digits.auxiliary)
    assert "it reads perceptrons, and 'digits-convnet' has a layer Conv2d" in str(guess(name, view).failure)


def test_too_few_public_examples_are_one_sentence(models) -> None:
    view = replace(models[0][0], num_examples=80)
    assert guess("deep-sets", view).failure == (
        "models of its own need 16 public examples with the property and 64 without for a share of 0.2 among 80, and "
        "there are 54 and 34; raise adversary.auxiliary, or lower federation.examples"
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"shares": (), "property": ""}, "no share of a property was asked about"),
        ({"auxiliary": None}, "the adversary holds no public examples"),
    ],
)
def test_without_a_question_or_public_examples_there_is_a_reason(changed, sentence: str, models) -> None:
    assert sentence in str(guess("meta-classifier", replace(models[0][0], **changed)).failure)


def test_weights_that_are_not_finite_tell_nothing(models) -> None:
    view = models[0][0]
    broken = {name: torch.full_like(value, torch.nan) for name, value in view.weights.parameters.items()}
    assert "not finite" in str(guess("deep-sets", replace(view, weights=Weights(broken, {}))).failure)


def shuffled(view: Released) -> Released:
    """The same function with its hidden neurons in another order."""
    names = [name for name, one in view.task.network.named_modules() if isinstance(one, nn.Linear)]
    known: dict[str, Tensor] = dict(view.weights.parameters)
    first, second = names
    order = torch.randperm(len(known[f"{first}.bias"]), generator=generator("order"))
    known[f"{first}.weight"] = known[f"{first}.weight"][order]
    known[f"{first}.bias"] = known[f"{first}.bias"][order]
    known[f"{second}.weight"] = known[f"{second}.weight"][:, order]
    moved = replace(view, weights=Weights(known, {}))
    inputs = load(TASK).test.inputs[:5]
    before, after = (view.task.logits(each.weights, inputs, mode="eval") for each in (view, moved))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)
    return moved


def _asked(view: Released):
    assert view.auxiliary is not None
    return federations_by_share(
        view.task,
        view.auxiliary,
        view.training,
        has=having(view.auxiliary, PROPERTY, "here"),
        shares=SHARES,
        federations=40,
        clients=2,
        examples=EXAMPLES,
        rounds=3,
    )[0]


@pytest.mark.parametrize("name", READING)
def test_fewer_models_of_its_own_than_shares_are_refused(name: str, models) -> None:
    assert guess(name, models[0][0], shadows=1).failure == (
        "shadows: expected one or more for each of the 2 shares that are told apart, got 1 in all; raise shadows"
    )
