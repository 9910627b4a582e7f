"""Laws of label recall."""

from collections import Counter
from itertools import permutations

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


SETS = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4)


def overlap(guess: list[list[bool]], truth: list[list[bool]]) -> list[float]:
    def batch(sets: list[list[bool]]) -> Batch:
        return Batch(torch.zeros(len(sets), 1, 1, 1), torch.tensor(sets).long())

    return metrics.build("label-recall", {}).per_sample(batch(guess), batch(truth))


@given(SETS, SETS)
def test_sets_are_matched_so_that_they_overlap_most(guess: list[list[bool]], truth: list[list[bool]]) -> None:
    def alike(one: list[bool], other: list[bool]) -> float:
        either = sum(a or b for a, b in zip(one, other, strict=True))
        return sum(a and b for a, b in zip(one, other, strict=True)) / either if either else 1.0

    few, many = sorted((guess, truth), key=len)
    best = max(sum(map(alike, few, chosen)) for chosen in permutations(many, len(few)))
    assert sum(overlap(guess, truth)) == pytest.approx(best)


@given(LABELS, LABELS)
def test_of_sets_of_one_it_is_the_same_figure(guess: list[int], truth: list[int]) -> None:
    if guess and truth:
        rows = [[[label == one for label in range(5)] for one in labels] for labels in (guess, truth)]
        assert sum(overlap(*rows)) == pytest.approx(sum(found(guess, truth)))


def test_to_name_every_label_does_not_pay() -> None:
    assert overlap([[True] * 3], [[True, False, False]]) == pytest.approx([1 / 3])
    assert overlap([[False] * 3], [[False] * 3]) == [1.0]
