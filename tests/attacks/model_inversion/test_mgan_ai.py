"""mGAN-AI: the classes of one client, by a GAN with judges of class, realness and client."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.model_inversion.mgan_ai import by_client, returned
from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


@pytest.fixture
def seen(trained, observe):
    """Three rounds of two clients, one with bright images and one with dark ones; the last of the bright one."""
    task, drawn = trained

    def message(client, round_number):
        batch = drawn(40, (client, round_number))
        styled = batch.inputs * 0.6 + (0.4 if client == 0 else 0.0)
        return replace(observe(task, Batch(styled, batch.labels)), cohort=(client,), round=round_number)

    messages = [message(client, number) for number in (1, 2, 3) for client in (0, 1)]
    own = next(one for one in messages if one.cohort == (0,) and one.round == 3)
    others = tuple(one for one in messages if one is not own)
    return replace(own, others=others, classes=(3, 0), auxiliary=drawn(80, "public"))


def guess(seen, **options):
    short = {"steps": 20, "matching_steps": 5, **options}
    return attacks.build("mgan-ai", short).run(seen, generator("mgan-ai"))


def test_it_uses_the_first_rounds_of_the_client_and_those_of_others_beside_them(seen):
    own, other = by_client(seen, 2)
    assert [(message.cohort, message.round) for message in own] == [((0,), 1), ((0,), 2)]
    assert [(message.cohort, message.round) for message in other] == [((1,), 1), ((1,), 2)]


def test_messages_under_masks_are_left_out(seen):
    hidden = tuple(replace(one, masked=True) if one.cohort == (1,) else one for one in seen.others)
    assert "no update of another client" in guess(replace(seen, others=hidden)).failure


def test_the_clients_own_model_is_what_came_back(seen):
    after = returned(seen)
    for name, value in seen.update.tensors.items():
        assert torch.allclose(after.parameters[name] - seen.before.parameters[name], value, atol=1e-6)


def test_a_generator_that_has_not_learned_yet_gives_the_public_class_means(seen):
    made = guess(seen, steps=1).representatives
    public = seen.auxiliary
    means = torch.stack([public.inputs[public.labels == one].mean(0) for one in seen.classes])
    assert torch.allclose(made, means, atol=0.01)


@pytest.mark.slow
def test_whose_images_they_are_counts_and_what_number_the_client_has_does_not(seen):
    assert not torch.equal(guess(seen, identity=0.0).representatives, guess(seen, identity=1.0).representatives)
    swapped = replace(seen, cohort=(1,), others=tuple(replace(one, cohort=(1 - one.cohort[0],)) for one in seen.others))
    assert torch.equal(guess(seen).representatives, guess(swapped).representatives)


@pytest.mark.slow
def test_of_a_class_without_a_public_image_it_says_nothing(seen):
    kept = seen.auxiliary[(seen.auxiliary.labels != 3).nonzero()[:, 0]]
    made = guess(replace(seen, auxiliary=kept)).representatives
    assert made[0].isnan().all()
    assert made[1].isfinite().all()


def test_what_it_needs_it_says(seen):
    assert "no class was asked about" in guess(replace(seen, classes=())).failure
    assert "at least 20" in guess(seen.with_auxiliary(None)).failure
    assert "no update of another client" in guess(replace(seen, others=())).failure
