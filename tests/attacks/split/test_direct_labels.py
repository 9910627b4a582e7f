"""Direct labels: every label where the gradients of summed scores pass, and a refusal where they do not."""

import torch

from fedleak.attacks.split.direct_labels import DirectLabels
from fedleak.randomness import generator


def test_every_label_is_read_where_scores_are_summed(summed):
    for who in (1, 2, "relay"):
        view, challenge = summed(who, "labels")
        made = DirectLabels().run(view, generator("unused"))
        assert made.columns is not None
        assert torch.equal(made.columns.argmax(1), challenge.candidates.labels)
        assert len(made.columns) == 48


def test_a_top_network_in_between_is_told(halves):
    made = DirectLabels().run(halves(1, "labels")[0], generator("unused"))
    assert made.failure is not None
    assert made.failure.startswith("a top network lies between")
