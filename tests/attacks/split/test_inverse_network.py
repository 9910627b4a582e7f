"""Inverse network: it learns the way back where there is one, and the mean of public examples where there is none."""

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.cut import sender_of
from fedleak.attacks.split.inverse_network import InverseNetwork, embedded
from fedleak.contracts.chain import Chain
from fedleak.defenses.cut_noise import CutNoise
from fedleak.randomness import generator
from tests.attacks.split.conftest import looking
from tests.attacks.split.tiny import cut_of_bottoms, examples, linear

ATTACK = InverseNetwork(steps=100, hidden=32)
PLACES = ([0], [1, 2, 3, 4])


def guessed(attack, view):
    made = attack.run(view, generator("guess"))
    assert made.failure is None, made.failure
    return made.columns


def error(made, truth):
    return (made - truth).square().mean()


def test_the_way_back_through_linear_bottoms_is_learned_for_each_sender():
    truth, public = examples(6, 1), examples(200, 2)
    bottoms = [linear(2, 2), linear(4, 6), linear(4, 4)]
    view = cut_of_bottoms(bottoms, [[2], [4, 1], [0, 3]], truth, public=public, access="queries", party=None)
    made, own = guessed(ATTACK, view), truth[..., [0, 1, 3, 4]]
    torch.testing.assert_close(made, own, rtol=0, atol=1e-3)


def test_a_bottom_that_keeps_nothing_leaves_the_prior():
    blank = linear(8, 3)
    nn.init.zeros_(blank[1].weight)
    public, truth = examples(100, 3), examples(20, 4)
    view = cut_of_bottoms([linear(2, 2), blank], PLACES, truth, public=public)
    made, own = guessed(ATTACK, view), truth[..., 1:]
    assert (made == made[0]).all()
    assert error(made, own) == pytest.approx(float(error(public.mean(0)[..., 1:], own)), rel=0.1)


def test_batch_norm_goes_by_batches_as_large_as_the_first_step():
    norm = nn.Sequential(linear(8, 8), nn.BatchNorm1d(8))
    truth, public = examples(12, 5), examples(30, 6)
    view = cut_of_bottoms([linear(2, 2), norm], PLACES, truth, public=public)
    sender = sender_of(view, 1, generator("unused"))
    said = embedded(sender, sender.public)
    assert len(said) == 30
    torch.testing.assert_close(said[:12].mean(0), torch.zeros(8), rtol=0, atol=1e-5)
    torch.testing.assert_close(said[:12], sender.embed(sender.public[:12]))
    last = sender.embed(sender.public[[*range(24, 30), *range(6)]])
    torch.testing.assert_close(said[24:], last[:6])


def test_under_noise_it_learns_from_embeddings_as_noisy():
    truth, public = examples(40, 7), examples(100, 8)
    chain = Chain((CutNoise(scale=0.3),))
    view = cut_of_bottoms([linear(2, 2), linear(8, 8)], PLACES, truth, public=public, chain=chain)
    knowing, ignoring = ATTACK, InverseNetwork(steps=100, hidden=32, adaptive=False)
    assert knowing.adapts_to(chain)
    assert not ignoring.adapts_to(chain)
    assert not knowing.adapts_to(Chain())
    errors = [float(error(guessed(one, view), truth[..., 1:])) for one in (knowing, ignoring)]
    prior = float(error(public.mean(0)[..., 1:], truth[..., 1:]))
    assert errors[0] < 1.2 * prior < errors[1]


def test_without_public_examples_or_access_it_refuses():
    view = cut_of_bottoms([linear(2, 2), linear(8, 8)], PLACES, examples(4, 9))
    made = ATTACK.run(view, generator("guess"))
    assert made.failure == (
        "it learns from public examples, 8 or more, and the adversary holds 0; set adversary.auxiliary, as in "
        "auxiliary = 256"
    )
    view = cut_of_bottoms([linear(2, 2), linear(8, 8)], PLACES, examples(4, 9), public=examples(20, 9), access="")
    made = ATTACK.run(view, generator("guess"))
    assert made.failure == "it needs the bottom network of party 1, which this adversary cannot use"


def test_same_dice_same_guess():
    view = cut_of_bottoms([linear(2, 2), linear(8, 3)], PLACES, examples(4, 10), public=examples(20, 11))
    short = InverseNetwork(steps=5, hidden=8)
    first, second, other = (short.run(view, generator(seed)) for seed in (7, 7, 8))
    assert torch.equal(first.columns, second.columns)
    assert not torch.equal(first.columns, other.columns)


@pytest.mark.slow
def test_feature_maps_of_digits_are_led_back(tmp_path):
    look = looking(tmp_path, "digits-lenet5", cut=5, batch_size=32, batches=1)
    view, challenge = look(0, "columns", bottoms="queries", auxiliary=256)
    made = guessed(InverseNetwork(steps=300, width=16), view)
    truth = challenge.candidates.inputs[..., list(view.places)]
    assert error(made, truth) < 0.4 * error(view.auxiliary.inputs.mean(0)[..., list(view.places)], truth)
