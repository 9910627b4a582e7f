"""The bias gradient of one example, from the gradient of the last layer's weight."""

import pytest
import torch
import torch.nn.functional as F

from fedleak.attacks.parts.classifier_head.single_example import bias_of_one
from fedleak.randomness import generator


def an_example(seed, classes, scale, examples=1):
    rng = generator("one example", seed)
    features = scale * torch.rand(examples, 30, generator=rng, dtype=torch.float64)
    weight = torch.randn(classes, 30, generator=rng, dtype=torch.float64) / 5
    bias = torch.randn(classes, generator=rng, dtype=torch.float64)
    labels = torch.randint(classes, (examples,), generator=rng)
    slopes = (features @ weight.T + bias).softmax(1) - F.one_hot(labels, classes)
    return slopes.T @ features, weight, bias, slopes.sum(0)


@pytest.mark.parametrize("scale", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_is_exact_in_double_precision_or_not_told_apart_from_another(classes, scale):
    told = 0
    for seed in range(10):
        gradient, weight, bias, slopes = an_example(seed, classes, scale)
        found = bias_of_one(gradient, weight, bias)
        told += found is not None
        assert found is None or torch.allclose(found, slopes, rtol=1e-7, atol=1e-12)
    assert told >= (1 if classes == 2 or scale > 1 else 10)


def test_it_is_nearly_exact_out_of_single_precision():
    for seed in range(10):
        gradient, weight, bias, slopes = an_example(seed, 10, 1.0)
        found = bias_of_one(gradient.float(), weight.float(), bias.float())
        assert (found - slopes).norm() < 1e-6 * slopes.norm()


def test_a_gradient_of_several_of_nothing_or_of_another_loss_is_none_of_one():
    gradient, weight, bias, _ = an_example(0, 10, 1.0, examples=2)
    assert bias_of_one(gradient, weight, bias) is None
    assert bias_of_one(torch.zeros_like(gradient), weight, bias) is None
    gradient, weight, bias, _ = an_example(1, 10, 1.0)
    assert bias_of_one(gradient * torch.linspace(1, 2, 10)[:, None], weight, bias) is None
