"""A function of the user's as a prediction API: three lines, and one sentence for each mistake."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fedleak.api import attack, capture, score, serve
from fedleak.captures import Audit
from fedleak.data.splits import load
from fedleak.errors import ConfigError, ServiceError
from fedleak.learning.batch import Batch
from fedleak.tasks import initial_weights, source_of, task_of

TASK, SPLITS = task_of("digits-mlp"), load(source_of("digits-mlp"))


def without(examples: Batch, *classes: int) -> Batch:
    return examples[torch.nonzero(~torch.isin(examples.labels, torch.tensor(classes))).flatten()]


def of(function: Callable[[Any], Any], queries: int = 50, **options: Any) -> Audit:
    return serve(function, without(SPLITS.auxiliary, 3, 4), classes=10, queries=queries, **options)


def predict(inputs: torch.Tensor) -> torch.Tensor:
    return TASK.logits(initial_weights("digits-mlp", 0), inputs, mode="eval").softmax(1).detach()


def test_it_is_asked_what_the_classes_look_like_that_the_public_examples_lack() -> None:
    audit = of(predict)
    assert audit.view.classes == (3, 4)
    guess = attack(audit, "confidence-inversion")
    assert guess.representatives is not None
    assert guess.representatives.shape == (2, 1, 8, 8)
    assert audit.view.service.remaining == 0


@pytest.mark.slow
def test_a_numpy_function_gives_the_same_guess() -> None:
    def of_arrays(inputs: np.ndarray) -> np.ndarray:
        return predict(torch.from_numpy(inputs)).numpy()

    one, other = (attack(audit, "confidence-inversion") for audit in (of(predict), of(of_arrays, arrays="numpy")))
    assert one.representatives is not None
    assert other.representatives is not None
    assert torch.equal(one.representatives, other.representatives)


@pytest.mark.slow
def test_a_guess_is_scored_by_the_truth_and_judges_of_the_user_s_own() -> None:
    audit = of(predict, truth=SPLITS.clients, judging=SPLITS.test)
    found = {one.metric: one for one in score(attack(audit, "confidence-inversion"), audit)}
    assert set(found) == {"recognised", "judged", "class-ssim", "nearest-private"}
    assert all(len(one.per_sample) == 2 for one in found.values())
    assert found["recognised"].baseline == 0


def test_without_judges_there_is_a_reason_in_place_of_their_figures() -> None:
    audit = of(predict, truth=SPLITS.clients)
    found = {one.metric: one for one in score(attack(audit, "confidence-inversion"), audit)}
    assert "nobody is there to judge" in str(found["judged"].reason)
    assert found["class-ssim"].value == found["class-ssim"].value


@pytest.mark.parametrize(
    ("server", "adversary", "sentence"),
    [
        (
            {"use": "inconsistency", "victim": 9},
            {},
            "chain.0: the victim of 'inconsistency' is client 9, and there are 3",
        ),
        ({"use": "lies-about-dropouts"}, {}, "its clients send updates in the clear"),
        ({"use": "imprint"}, {"auxiliary": 0}, "imprint is made from public examples, and the adversary holds none"),
        ({"use": "inconsistency", "victim": 2}, {"victims": 1}, "set adversary.victims to 3 or more"),
    ],
)
def test_a_server_that_does_not_fit_is_refused_as_in_a_file(server: Any, adversary: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        capture("digits-mlp", server=[server], adversary=adversary, clients=3, batch_size=2)


def test_without_the_truth_there_is_nothing_to_score_by() -> None:
    audit = of(predict)
    with pytest.raises(ConfigError, match="nothing to score by"):
        score(attack(audit, "confidence-inversion"), audit)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda inputs: torch.full((len(inputs), 10), torch.nan), "got NaN or infinity"),
        (lambda inputs: torch.full((len(inputs), 10), 0.5), "that sum to 1, got 5"),
        (lambda inputs: torch.full((len(inputs), 9), 1 / 9), "got 9 classes"),
        (lambda inputs: 1 / 0, "the service raised ZeroDivisionError"),
    ],
)
def test_what_is_no_answer_is_one_sentence(function: Callable[[Any], Any], sentence: str) -> None:
    with pytest.raises(ServiceError, match=sentence) as caught:
        attack(of(function), "confidence-inversion")
    assert "\n" not in str(caught.value)


def test_an_attack_on_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="dlg looks at updates, got the answers of a served model"):
        attack(of(predict), "dlg")


def test_classes_that_there_are_not_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected classes of 0 to 9, got 12"):
        of(predict, asked=[12])


def test_a_class_of_the_public_examples_that_the_api_lacks_is_said_to_be_theirs() -> None:
    with pytest.raises(ConfigError, match="public: expected classes of 0 to 4, got 5"):
        serve(predict, SPLITS.auxiliary, classes=5, queries=50)


@pytest.mark.slow
def test_what_cannot_be_served_is_one_sentence() -> None:
    """In a Python of its own: here wrong types are caught before they come so far."""
    script = """
import torch
from fedleak.api import serve
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
good = dict(function=len, public=Batch(torch.zeros(2, 1, 8, 8), torch.arange(2)), classes=3, queries=5)
for mistake in ({"function": 3}, {"arrays": "jax"}, {"public": ([0.5], [1])}, {"truth": ([0.5], [1])}):
    try:
        serve(**good | mistake)
    except ConfigError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "serve: expected a function from inputs to rows of probabilities, got 3",
        "serve: expected arrays of torch or numpy, got 'jax'",
        "serve: public: expected Batch(inputs, labels), got tuple",
        "serve: truth: expected Batch(inputs, labels), got tuple",
    ]
