"""C2FMI, with each of its generators."""

import pytest

from fedleak.contracts.attack import attacks
from fedleak.contracts.view import View


@pytest.mark.slow
@pytest.mark.parametrize("search", ["gradient", "evolution"])
def test_each_class_is_found_in_the_order_in_which_it_was_asked_for(search, inverted, likeness):
    attack = attacks.build("c2fmi", {"search": search})
    assert likeness(inverted(attack, 600)[1]) == [3, 0]
    assert likeness(inverted(attack, 600, classes=(0, 3))[1]) == [0, 3]


@pytest.mark.slow
@pytest.mark.parametrize("made_by", ["autoencoder", "gan"])
def test_a_generator_may_be_a_network(made_by, inverted, trained):
    task, _ = trained
    attack = attacks.build("c2fmi", {"generator": made_by, "training_steps": 20, "dimensions": 4})
    view, guess = inverted(attack, 100)
    assert isinstance(view, View)
    assert guess.representatives.shape == (2, *task.shape)
    assert not guess.representatives.requires_grad


def test_public_images_are_shown_first(inverted):
    view, _ = inverted(attacks.build("c2fmi", {"shown": 0.25}), 80)
    assert view.service.log[0].equal(view.auxiliary.inputs[:20])
