"""Active labels: passive inference on a network whose party tampered with its own steps."""

import torch

from fedleak.attacks.split.active_labels import ActiveLabels
from fedleak.attacks.split.passive_labels import PassiveLabels
from fedleak.randomness import generator


def test_it_is_the_same_completion_and_reads_what_was_done(halves):
    view, _ = halves(1, "labels", known_labels=20, auxiliary=0)
    one, two = (attack(steps=2).run(view, generator("same")).columns for attack in (ActiveLabels, PassiveLabels))
    assert one is not None
    assert two is not None
    assert torch.equal(one, two)
    assert ActiveLabels().reads == {"malicious-optimizer"}
    assert not PassiveLabels().reads
