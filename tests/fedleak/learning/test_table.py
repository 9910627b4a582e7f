"""Rows of tables as an input space: which values are a column, what a row says, where it can be."""

import pytest
import torch

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.space import space_from
from fedleak.learning.table import GAUGE, STRIPE, Column, Table
from fedleak.randomness import generator

PEOPLE = Table(
    columns=(Column("age", low=20.0, high=60.0), Column("work", values=("at sea", "farm", "office")), Column("pay")),
    label="happy",
    classes=("no", "yes"),
)
SAILOR = torch.tensor([0.5, 1.0, -1.0, -1.0, -1.0])


def test_a_category_takes_a_value_for_each_that_there_is_and_a_number_one() -> None:
    assert PEOPLE.shape == (5,)
    assert [PEOPLE.places(name) for name in ("age", "work", "pay")] == [slice(0, 1), slice(1, 4), slice(4, 5)]
    assert PEOPLE.mask(["work"]).tolist() == [False, True, True, True, False]
    assert not PEOPLE.mask([]).any()


def test_a_row_is_said_in_the_words_and_units_of_the_table() -> None:
    assert PEOPLE.said(SAILOR) == {"age": "50", "work": "at sea", "pay": "0"}
    assert torch.equal(SAILOR[PEOPLE.places("work")], PEOPLE.row("work", "at sea"))


def test_a_settled_row_has_one_value_of_each_category_and_is_settled_already() -> None:
    guess = torch.tensor([[1.7, -0.3, 0.2, 0.1, -3.0], [0.0, -0.9, -0.8, -0.7, 0.3]])
    settled = PEOPLE.settled(guess)
    assert settled.tolist() == [[1.0, -1.0, 1.0, -1.0, -1.0], [0.0, -1.0, -1.0, 1.0, pytest.approx(0.3)]]
    assert torch.equal(PEOPLE.settled(settled), settled)
    assert torch.equal(PEOPLE.settled(guess[0]), settled[0])


def test_nearest_of_all_rows_is_the_settled_one() -> None:
    guess = PEOPLE.uniform(20, generator(0))
    numbers = PEOPLE.settled(guess)
    distances = PEOPLE.distances(numbers, guess).diagonal()
    for work in ("at sea", "farm", "office"):
        other = numbers.clone()
        other[:, PEOPLE.places("work")] = PEOPLE.row("work", work)
        assert (distances <= PEOPLE.distances(other, guess).diagonal() + 1e-6).all()


def test_a_wrong_category_is_as_far_as_two_numbers_at_the_other_end() -> None:
    farmer = SAILOR.clone()
    farmer[PEOPLE.places("work")] = PEOPLE.row("work", "farm")
    assert PEOPLE.errors(farmer, SAILOR).square().sum() == 2
    assert PEOPLE.distances(farmer[None], SAILOR[None]).item() == pytest.approx(8.0)


def test_a_picture_has_a_stripe_for_each_column() -> None:
    shown = PEOPLE.picture(SAILOR)
    assert shown.shape == (1, 3 * STRIPE, GAUGE)
    age, work, pay = (shown[0, place * STRIPE] for place in range(3))
    assert age.sum() == 0.75 * GAUGE
    assert work.sum() == 6
    assert work[:6].all()
    assert pay.sum() == 0
    assert PEOPLE.picture(torch.full((5,), torch.nan)).isfinite().all()


def test_rows_have_no_neighbors_to_be_smooth_with() -> None:
    assert PEOPLE.variation(PEOPLE.uniform(3, generator(0))) == 0


def test_a_table_is_the_same_after_it_was_written_down() -> None:
    assert space_from(PEOPLE.facts()) == PEOPLE
    assert hash(space_from(PEOPLE.facts())) == hash(PEOPLE)


def test_a_batch_of_rows_stays_one_on_another_device() -> None:
    batch = Batch(SAILOR[None], torch.tensor([1]), given=PEOPLE)
    assert batch.to("cpu").space == PEOPLE


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: PEOPLE.column("wrok"),
            r"the table has no column 'wrok'; did you mean 'work'\?$",
        ),
        (lambda: PEOPLE.mask(["happy"]), "'happy' is the label, which models predict; name another of age, work, pay"),
        (lambda: PEOPLE.row("work", "farms"), r"column 'work' has no category 'farms'; did you mean 'farm'\?$"),
        (lambda: PEOPLE.row("age", "50"), "column 'age' is a number and has no categories, such as '50'; name another"),
    ],
)
def test_a_column_or_category_that_there_is_not_is_refused(ask, said) -> None:
    with pytest.raises(ConfigError, match=said):
        ask()
