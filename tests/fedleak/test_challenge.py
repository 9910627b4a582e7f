"""The question that an attack is asked about candidates, and what it must not be able to tell."""

import torch

from fedleak.evaluation.challenge import MOST, Question, some_of, strangers_among
from fedleak.learning.batch import Batch, joined
from fedleak.randomness import generator


def batch(first: int, count: int) -> Batch:
    """Images of one pixel that say which they are."""
    values = torch.arange(first, first + count)
    return Batch(values.float().reshape(-1, 1, 1, 1) / 1000, values % 10)


QUESTION = Question(members=batch(0, 4), rivals=batch(10, 3), strangers=batch(100, 50), dice=(1, 2))


def test_the_places_are_those_of_the_examples() -> None:
    challenge = QUESTION.challenge()
    assert len(challenge.candidates) == 57
    for places, examples in (
        (challenge.members, QUESTION.members),
        (challenge.rivals, QUESTION.rivals),
        (challenge.strangers, QUESTION.strangers),
    ):
        assert torch.equal(challenge.candidates[places].inputs, examples.inputs)
        assert torch.equal(challenge.candidates[places].labels, examples.labels)


def test_the_same_words_give_the_same_order_and_others_another() -> None:
    again, other = QUESTION.challenge(), Question(**{**vars(QUESTION), "dice": (1, 3)}).challenge()
    assert torch.equal(again.members, QUESTION.challenge().members)
    assert not torch.equal(other.candidates.inputs, again.candidates.inputs)


def test_the_order_tells_nothing() -> None:
    places = [Question(**{**vars(QUESTION), "dice": (i,)}).challenge().members.float().mean() for i in range(300)]
    assert abs(float(torch.tensor(places).mean()) - 28) < 2  # the middle of 57 places


def test_nobody_who_was_there_is_a_stranger() -> None:
    pool = batch(0, 300)
    strangers = strangers_among(pool, [batch(0, 100), batch(150, 20)], generator(0))
    values = set((strangers.inputs.flatten() * 1000).round().int().tolist())
    assert values == set(range(100, 150)) | set(range(170, 300))


def test_a_copy_of_a_used_example_is_none_either() -> None:
    pool = joined([batch(0, 5), batch(0, 5)])
    assert len(strangers_among(pool, [batch(0, 5)], generator(0))) == 0


def test_no_more_are_asked_about_than_tell_something() -> None:
    assert len(strangers_among(batch(0, 2 * MOST), [], generator(0))) == MOST
    assert len(some_of(batch(0, 2 * MOST), generator(0))) == MOST
    assert len(some_of(batch(0, 3), generator(0))) == 3
