"""Confidence inversion finds what a class looks like that its public images have no example of."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense
from fedleak.contracts.served import Served
from fedleak.tasks import weights_of


@dataclass(frozen=True, kw_only=True)
class Coarse(Defense):
    """Hides what is below `resolution`, or adds noise; for what is public of it."""

    name = "coarse"
    resolution: float = 0.0
    answer_noise: float = 0.0


def label_alone(probabilities):
    return F.one_hot(probabilities.argmax(1), probabilities.shape[1]).float()


TOLD = Chain((Coarse(resolution=1.0),))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "queries"),
    [
        ({}, 100),
        ({"search": "evolution"}, 600),
        ({"basis": "cosines", "dimensions": 20}, 200),
        ({"reading": "coarse"}, 200),
    ],
)
def test_each_class_is_found_in_the_order_in_which_it_was_asked_for(options, queries, inverted, likeness):
    attack = attacks.build("confidence-inversion", options)
    assert likeness(inverted(attack, queries)[1]) == [3, 0]
    assert likeness(inverted(attack, queries, classes=(0, 3, 1))[1]) == [0, 3, 1]


@pytest.mark.slow
def test_it_needs_no_public_images_in_a_basis_of_cosines(inverted, likeness):
    attack = attacks.build("confidence-inversion", {"basis": "cosines", "dimensions": 30})
    assert likeness(inverted(attack, 300, auxiliary=None)[1]) == [3, 0]
    refused = inverted(attacks.build("confidence-inversion", {}), 300, auxiliary=None)[1]
    assert "needs public images" in refused.failure


@pytest.mark.slow
def test_who_knows_that_answers_are_labels_alone_reads_them_as_such(inverted, likeness, trained):
    task, _ = trained
    attack = attacks.build("confidence-inversion", {})
    plain = attacks.build("plain", {"attack": {"use": "confidence-inversion"}})
    told = {"answer": label_alone, "defense": TOLD}
    knowing = inverted(attack, 400, **told)[1]
    assert likeness(knowing) == [3, 0]
    ignorant = inverted(plain, 400, **told)[1]
    assert torch.equal(ignorant.representatives, inverted(attack, 400, answer=label_alone)[1].representatives)
    sure = [
        float(task.logits(weights_of(task.network), guess.representatives, mode="eval").softmax(1)[0, 3])
        for guess in (knowing, ignorant)
    ]
    assert sure[0] > sure[1]


def test_it_adapts_to_what_makes_answers_say_less():
    attack = attacks.build("confidence-inversion", {})
    assert attack.sees is Served
    assert attacks.build("plain", {"attack": {"use": "confidence-inversion"}}).sees is Served
    assert attack.adapts_to(TOLD)
    assert attack.adapts_to(Chain((Coarse(answer_noise=0.1),)))
    assert not attack.adapts_to(Chain((Coarse(),)))
    assert not attacks.build("confidence-inversion", {"reading": "exact"}).adapts_to(TOLD)


def test_without_a_question_the_guess_is_the_mean_public_image(inverted):
    view, guess = inverted(attacks.build("confidence-inversion", {}), 0)
    mean = view.auxiliary.inputs.mean(0)
    assert torch.allclose(guess.representatives, mean.expand(2, *mean.shape), atol=1e-6)


@pytest.mark.slow
def test_noise_is_averaged_out(inverted, likeness):
    rng = torch.Generator().manual_seed(3)

    def noisy(probabilities):
        return (probabilities + 0.2 * torch.randn(probabilities.shape, generator=rng)).clamp(0, 1)

    attack = attacks.build("confidence-inversion", {})
    assert likeness(inverted(attack, 600, answer=noisy, defense=Chain((Coarse(answer_noise=0.2),)))[1]) == [3, 0]


@pytest.mark.slow
def test_it_asks_all_that_it_may(inverted):
    view, _ = inverted(attacks.build("confidence-inversion", {}), 173)
    assert sum(map(len, view.service.log)) == 173
    assert view.service.remaining == 0
