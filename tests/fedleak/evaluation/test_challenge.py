"""Membership challenge: the question about candidates, and what an attack must not be able to tell."""

import torch

from fedleak.evaluation.challenge import MOST, Question, non_members_among, planted_question, some_of
from fedleak.learning.batch import Batch, joined
from fedleak.randomness import generator


def batch(first: int, count: int) -> Batch:
    """Images of one pixel that say which they are."""
    values = torch.arange(first, first + count)
    return Batch(values.float().reshape(-1, 1, 1, 1) / 1000, values % 10)


QUESTION = Question(members=batch(0, 4), other_clients=batch(10, 3), non_members=batch(100, 50), seed_key=(1, 2))


def test_the_places_are_those_of_the_examples() -> None:
    challenge = QUESTION.challenge()
    assert len(challenge.candidates) == 57
    for places, examples in (
        (challenge.members, QUESTION.members),
        (challenge.other_clients, QUESTION.other_clients),
        (challenge.non_members, QUESTION.non_members),
    ):
        assert torch.equal(challenge.candidates[places].inputs, examples.inputs)
        assert torch.equal(challenge.candidates[places].labels, examples.labels)


def test_the_same_seed_gives_the_same_order_and_others_another() -> None:
    again, other = QUESTION.challenge(), Question(**{**vars(QUESTION), "seed_key": (1, 3)}).challenge()
    assert torch.equal(again.members, QUESTION.challenge().members)
    assert not torch.equal(other.candidates.inputs, again.candidates.inputs)


def test_of_some_of_the_members_alone_the_rest_are_rivals_or_not_asked_about() -> None:
    one = QUESTION.about(batch(0, 2), batch(3, 1))
    assert torch.equal(one.members.inputs, batch(0, 2).inputs)
    assert torch.equal(one.other_clients.inputs, joined([batch(3, 1), batch(10, 3)]).inputs)
    assert one.non_members is QUESTION.non_members


def test_the_order_tells_nothing() -> None:
    places = [Question(**{**vars(QUESTION), "seed_key": (i,)}).challenge().members.float().mean() for i in range(300)]
    assert abs(float(torch.tensor(places).mean()) - 28) < 2  # the middle of 57 places


def test_nobody_who_was_there_is_a_non_member() -> None:
    pool = batch(0, 300)
    non_members = non_members_among(pool, [batch(0, 100), batch(150, 20)], generator(0))
    values = set((non_members.inputs.flatten() * 1000).round().int().tolist())
    assert values == set(range(100, 150)) | set(range(170, 300))


def test_a_copy_of_a_used_example_is_none_either() -> None:
    pool = joined([batch(0, 5), batch(0, 5)])
    assert len(non_members_among(pool, [batch(0, 5)], generator(0))) == 0


def test_no_more_are_asked_about_than_tell_something() -> None:
    assert len(non_members_among(batch(0, 2 * MOST), [], generator(0))) == MOST
    assert len(some_of(batch(0, 2 * MOST), generator(0))) == MOST
    assert len(some_of(batch(0, 3), generator(0))) == 3


def test_of_planted_records_each_is_what_its_holder_makes_it() -> None:
    truth, others = joined([batch(500, 3), batch(0, 2)]), joined([batch(600, 2), batch(4, 3)])
    used = [truth, others, batch(9, 1)]  # the last in another round
    question = planted_question(batch(0, 12), truth, others, used, (1,))
    assert torch.equal(question.members.inputs, batch(0, 2).inputs)
    assert torch.equal(question.other_clients.inputs, batch(4, 3).inputs)
    left = joined([batch(2, 2), batch(7, 2), batch(10, 2)])
    assert torch.equal(question.non_members.inputs, left.inputs)
    assert torch.equal(question.non_members.labels, left.labels)
