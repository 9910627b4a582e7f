"""Laws of label recall."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.metric import metrics
from fedleak.learning.batch import Batch

LABELS = st.lists(st.integers(0, 4), max_size=12)


def found(guess: list[int], truth: list[int]) -> list[float]:
    def batch(labels: list[int]) -> Batch:
        return Batch(torch.zeros(len(labels), 1, 1, 1), torch.tensor(labels, dtype=torch.int64))

    return metrics.build("label-recall", {}).per_sample(batch(guess), batch(truth))


@given(LABELS, LABELS)
def test_it_counts_the_intersection_of_multisets(guess: list[int], truth: list[int]) -> None:
    assert sum(found(guess, truth)) == (Counter(guess) & Counter(truth)).total()


@given(LABELS, st.randoms(use_true_random=False))
def test_the_right_labels_in_any_order_are_all_found(labels: list[int], dice: object) -> None:
    shuffled = sorted(labels, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert found(shuffled, labels) == [1.0] * len(labels)


@pytest.mark.parametrize(
    ("guess", "truth", "expected"),
    [
        ([3, 3, 3], [3, 1, 3], [1.0, 0.0, 1.0]),
        ([3], [3, 3], [1.0, 0.0]),
        ([], [0], [0.0]),
        ([0, 1, 2, 3, 4], [2], [1.0]),
    ],
)
def test_each_guess_counts_once(guess: list[int], truth: list[int], expected: list[float]) -> None:
    assert found(guess, truth) == expected
