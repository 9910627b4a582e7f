"""Two versions tell which example one was updated by; cut from them, the attack guesses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served, Service
from fedleak.contracts.shadows import ShadowBank
from fedleak.defenses.label_only import LabelOnly
from fedleak.learning.facts import LocalTraining
from fedleak.learning.training import train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tasks import weights_of

Change = Callable[[Tensor], Tensor]
ONE = LocalTraining(batch_size=1, batches=1, learning_rate=0.2)
QUICK = {"probes": 30, "shadows": 300, "models": 6, "rounds": 6, "hidden": 32, "epochs": 30, "images": False}
OTHERS = LocalTraining(batch_size=4, batches=None, learning_rate=0.2)


class Version(Service):
    """A version of a model; all of them share a purse of questions."""

    def __init__(self, says: Callable[[Tensor], Tensor], purse: list[int]) -> None:
        self.says, self.purse = says, purse

    @property
    def remaining(self) -> int:
        return self.purse[0]

    def ask(self, inputs: Tensor) -> Tensor:
        answers = self.says(inputs)
        answers[self.purse[0] :] = torch.nan
        self.purse[0] = max(self.purse[0] - len(inputs), 0)
        return answers


@pytest.fixture(scope="module")
def versions(trained) -> Callable[..., Served]:
    """A service after it was updated by examples of some classes, and before; public data."""
    task, drawn = trained
    public, first = drawn(80, "public"), weights_of(task.network)

    def after(*labels: int, training: LocalTraining = ONE) -> Weights:
        new = [drawn(1, ("new", place, label), only=label) for place, label in enumerate(labels)]
        examples = replace(new[0], inputs=torch.cat([one.inputs for one in new]), labels=torch.tensor(labels))
        return train_locally(task, first, examples, replace(training, batches=len(labels)), ("update",))

    def made(*labels: int, queries: int = 60, change: Change = Tensor.clone, **known: Any) -> Served:
        purse = [queries]

        def service(weights: Weights) -> Version:
            def says(inputs: Tensor) -> Tensor:
                return change(task.logits(weights, inputs, mode="eval").softmax(1).detach())

            return Version(says, purse)

        view = Served(task=task, service=service(first), auxiliary=public, training=OTHERS)
        now = service(after(*labels) if labels else first)
        rest = {"new_examples": max(len(labels), 1), "round": 2, **known}
        return replace(view, service=now, earlier=(view,), **rest)

    made.after = after  # type: ignore[attr-defined]
    return made


def read(view: Any, name: str = "updates-leak", **options: Any) -> Reconstruction:
    quick = {key: value for key, value in QUICK.items() if name == "updates-leak" or key not in ("models", "rounds")}
    return attacks.build(name, {**quick, **options}).run(view, generator(3))


def told(views: list[Any], labels: list[int], **options: Any) -> float:
    guesses = [read(view, **options) for view in views]
    return sum(guess.labels.tolist() == [label] for guess, label in zip(guesses, labels, strict=True)) / len(labels)


LABELS = [0, 1, 2, 3]


@pytest.mark.slow
def test_the_label_of_one_new_example_is_told(versions) -> None:
    assert told([versions(label) for label in LABELS], LABELS) == 1.0


def test_so_it_is_by_who_has_the_weights(versions) -> None:
    for label in (1, 3):
        view = versions(label)
        old = Released(task=view.task, weights=weights_of(view.task.network), auxiliary=view.auxiliary, training=OTHERS)
        new = replace(old, weights=versions.after(label), round=2, earlier=(old,), new_examples=1)
        guess = read(new, "released-updates-leak")
        assert guess.labels.tolist() == [label]
        assert guess.label_distribution[label] > 0.6


@pytest.mark.slow
def test_of_several_it_tells_how_often_each_label_comes(versions) -> None:
    guess = read(versions(2, 2, 2, 2))
    assert len(guess.labels) == 4
    assert guess.label_distribution.sum() == pytest.approx(1.0, abs=1e-5)
    assert guess.label_distribution.argmax() == 2
    assert guess.labels.tolist().count(2) == round(4 * float(guess.label_distribution[2]))


def test_the_channel_cut_gives_what_is_guessed_without_access(versions) -> None:
    view = versions()  # both versions are the same
    guess = read(view)
    frequency = torch.bincount(view.auxiliary.labels, minlength=4) / len(view.auxiliary)
    assert torch.equal(guess.label_distribution, frequency)
    assert torch.equal(guess.labels, attacks.build("prior", {}).run(view, generator(0)).labels)


@pytest.mark.slow
def test_shuffled_pairs_of_answers_give_guessing(versions) -> None:
    def shuffled(answers: Tensor) -> Tensor:
        rng = generator("shuffle", answers.sum().item())
        return answers[torch.randperm(len(answers), generator=rng)][:, torch.randperm(4, generator=rng)]

    views = [versions(label, change=shuffled, round=2 + place) for place in range(3) for label in LABELS]
    assert told(views, LABELS * 3, shadows=100, epochs=3) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("queries", [0, 1, 7, 60, 100])
def test_both_versions_are_asked_out_of_one_budget(versions, queries: int) -> None:
    view = versions(2, queries=queries)
    guess = read(view, shadows=30, epochs=1)
    assert view.service.remaining == queries - 2 * min(30, queries // 2)
    assert (guess.note is None) == (queries >= 60)
    if queries < 60:
        assert guess.note == f"both versions were asked about {queries // 2} probes"


@pytest.mark.slow
def test_who_knows_a_defense_of_answers_learns_from_answers_under_it(versions) -> None:
    def label_alone(answers: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(answers.argmax(1), 4).to(answers)

    chain = Chain((LabelOnly(),))
    guess = read(versions(2, change=label_alone, defense=chain))
    assert guess.failure is None
    assert attacks.build("updates-leak", {}).adapts_to(chain)
    assert guess.label_distribution.isfinite().all()


@pytest.mark.slow
def test_an_image_is_shown_for_each(versions) -> None:
    guess = read(versions(1, 3), images=True, training_steps=20, shadows=60, epochs=2)
    assert guess.inputs.shape == (2, 1, 6, 6)
    assert ((guess.inputs >= 0) & (guess.inputs <= 1)).all()
    assert attacks.build("updates-leak", {}).targets == {"labels", "inputs"}


@pytest.mark.slow
def test_the_same_updates_are_trained_once_whoever_asks(versions) -> None:
    asked = []

    class Bank(ShadowBank):
        def trained(self, one: Any) -> Any:
            asked.append(one.address)
            return one.trained()

    for seed in (1, 2):
        quick = {**QUICK, "shadows": 12, "epochs": 1}
        attacks.build("updates-leak", quick).run(versions(1, shadows=Bank()), generator(seed))
    assert asked[:2] == asked[2:]
    assert len(set(asked)) == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"earlier": ()},
            "it compares two versions of a model, and there is one; release two or more, as in",
        ),
        ({"auxiliary": None}, "no public examples to update models of its own by"),
    ],
)
def test_what_it_needs_is_one_sentence(versions, changed: dict[str, Any], sentence: str) -> None:
    assert sentence in read(replace(versions(1), **changed)).failure


def test_more_shadows_than_memory_is_said_before_anything_is_trained(versions) -> None:
    class Nothing(ShadowBank):
        def trained(self, _: Any) -> Any:
            raise AssertionError("it trained")

    view = versions(1, 2, shadows=Nothing())
    failure = read(view, shadows=10**7).failure
    assert "GiB, and at most 2 are trained; lower 'shadows' to" in failure
