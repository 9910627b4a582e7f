"""Cut inversion: who sent what, in which place it belongs, and what a defense does to it."""

import pytest
import torch

from fedleak.attacks.parts.cut import changes_embeddings, placed, sender_of, senders_in
from fedleak.contracts.chain import Chain
from fedleak.defenses.cut_noise import CutNoise
from fedleak.defenses.nopeek import NoPeek
from fedleak.errors import NotApplicable
from fedleak.randomness import generator
from tests.attacks.split.tiny import cut_of_bottoms, examples, linear

PLACES = ([2], [4, 1], [0, 3])


def view_of(**changed):
    return cut_of_bottoms([linear(2, 2), linear(4, 6), linear(4, 4)], PLACES, examples(6, 1), **changed)


def test_parts_of_several_senders_lie_as_the_hidden_places_do():
    view, truth = view_of(), examples(6, 1)
    parts = {party: truth[..., list(PLACES[party])] for party in (1, 2)}
    assert torch.equal(placed(view, parts), truth[..., list(view.places)])


def test_a_sender_is_known_by_its_own_columns_alone():
    view = view_of(public=examples(9, 2), party=None)
    assert senders_in(view) == (1, 2)
    sender = sender_of(view, 2, generator("unused"))
    assert sender.space.shape == (1, 2, 2)
    assert torch.equal(sender.public, examples(9, 2)[..., [0, 3]])
    torch.testing.assert_close(sender.embed(examples(6, 1)[..., [0, 3]]), sender.embeddings)


def test_noise_is_measured_on_draws_of_ones_own():
    view = view_of(chain=Chain((CutNoise(scale=0.5),)))
    sender = sender_of(view, 1, generator("unused"))
    assert sender.noise_variance(generator(1)) == pytest.approx(2 * 0.5**2, rel=0.6)
    own = sender.protected(torch.zeros(6, 6), generator(1))
    theirs = sender.embeddings - sender.embed(examples(6, 1)[..., [4, 1]])
    assert not torch.allclose(own, theirs, atol=1e-3)
    assert sender_of(view_of(), 1, generator("unused")).noise_variance(generator(1)) == 0


def test_what_changes_training_alone_sends_plain_embeddings():
    assert changes_embeddings(Chain((CutNoise(scale=0.5),)))
    assert not changes_embeddings(Chain((NoPeek(weight=1.0),)))


def test_a_holder_that_was_sent_nothing_is_told():
    with pytest.raises(NotApplicable, match="nobody sent this holder an embedding"):
        senders_in(cut_of_bottoms([linear(2, 2)], [[0]], examples(2, 1)[..., :1]))
