"""Boundary inversion needs the label of an answer and nothing else."""

import torch
import torch.nn.functional as F

from fedleak.contracts.attack import attacks


def label_alone(probabilities):
    return F.one_hot(probabilities.argmax(1), probabilities.shape[1]).float()


def test_labels_are_enough(inverted, likeness):
    attack = attacks.build("boundary-inversion", {})
    assert likeness(inverted(attack, 1000, answer=label_alone)[1]) == [3, 0]
    assert likeness(inverted(attack, 1000, answer=label_alone, classes=(0, 3))[1]) == [0, 3]


def test_confidences_make_no_difference(inverted):
    attack = attacks.build("boundary-inversion", {})
    shown, hidden = (inverted(attack, 300, answer=answer)[1] for answer in (torch.clone, label_alone))
    assert torch.equal(shown.representatives, hidden.representatives)
