"""When an accuracy no longer rises."""

from hypothesis import given
from hypothesis import strategies as st

from fedleak.server.evaluator import Plateau


def settled_after(patience: int, accuracies: list[float], examples: int = 100) -> int | None:
    """How many evaluations it took; None where it never settled."""
    plateau = Plateau(patience)
    return next((n for n, one in enumerate(accuracies, start=1) if plateau.settled(float(one), float(examples))), None)


def test_it_settles_after_so_many_evaluations_without_a_rise_beyond_noise() -> None:
    assert settled_after(3, [0.1, 0.5, 0.54, 0.46, 0.53, 0.9]) == 5


def test_many_small_rises_come_to_one() -> None:
    assert settled_after(3, [0.5 + 0.02 * n for n in range(20)]) is None


def test_what_is_noise_on_few_examples_is_a_rise_on_many() -> None:
    course = [0.50, 0.52, 0.54, 0.56]
    assert settled_after(1, course, 50) == 2
    assert settled_after(1, course, 5000) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 1000))
def test_without_patience_it_never_settles(accuracies: list[float], examples: int) -> None:
    assert settled_after(0, accuracies, examples) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 5))
def test_more_patience_never_ends_sooner(accuracies: list[float], patience: int) -> None:
    sooner, later = (settled_after(one, accuracies) or 99 for one in (patience, patience + 1))
    assert later > sooner or sooner == later == 99
