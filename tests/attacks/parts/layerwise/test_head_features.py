"""What the last layer of one example saw, from its gradient alone."""

import pytest
import torch
import torch.nn.functional as F

from fedleak.attacks.parts.layerwise.head_features import head_features
from fedleak.randomness import generator


def gradients(classes, with_bias, seed=0):
    """A head, the features of one example and the gradients they give."""
    rng = generator("head", classes, seed)
    weight, features = torch.randn(classes, 12, generator=rng).double(), torch.randn(12, generator=rng).double()
    bias = torch.randn(classes, generator=rng).double() if with_bias else None
    logits = weight @ features + (0.0 if bias is None else bias)
    label = int(torch.randint(classes, (1,), generator=rng))
    derivative = logits.softmax(0) - F.one_hot(torch.tensor(label), classes)
    return weight, bias, features, label, derivative


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("length_known", [True, False])
def test_features_label_and_length_are_found(with_bias, length_known):
    for seed in range(5):
        weight, bias, features, label, derivative = gradients(5, with_bias, seed)
        scale = 1.0 if length_known else 0.3
        observed = scale * torch.outer(derivative, features)
        found = head_features(
            weight, bias, observed, scale * derivative if with_bias else None, length_known=length_known
        )[0]
        assert found.label == label
        assert torch.allclose(found.features, features, rtol=1e-5, atol=1e-6)
        assert found.scale == pytest.approx(1 / scale, rel=1e-5)
        assert found.misfit < 1e-6


def test_of_two_classes_the_truth_is_among_the_readings():
    for seed in range(5):
        weight, _, features, label, derivative = gradients(2, with_bias=False, seed=seed)
        found = head_features(weight, None, torch.outer(derivative, features), None, length_known=True)
        assert any(one.label == label and torch.allclose(one.features, features, rtol=1e-4) for one in found)
