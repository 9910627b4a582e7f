"""A mixture is taken apart, one proved example after the other."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.linear_layers.ica import centered
from fedleak.attacks.parts.linear_layers.mixture import Mixture
from fedleak.attacks.parts.linear_layers.peeling import Peeling
from fedleak.randomness import generator

NEURONS, FEATURES, CLASSES = 200, 400, 4
NOISE = 1e-6


@pytest.fixture
def mixed():
    """Sparse inputs in a layer's gradient, behind it a ReLU and a head; in some of them the head was another."""

    def made(examples, other=0, seed=0):
        rng = generator("mixture", seed)

        def normal(*shape):
            return torch.randn(shape, generator=rng, dtype=torch.float64)

        inputs = normal(examples, FEATURES).pow(3).clamp(-3, 3)
        weight, bias, head = normal(NEURONS, FEATURES) / 20, normal(NEURONS) / 10, normal(NEURONS, CLASSES)
        labels = torch.randint(CLASSES, (examples,), generator=rng)
        residuals = normal(examples, CLASSES).softmax(1) - torch.eye(CLASSES, dtype=torch.float64)[labels]
        heads = [head + normal(NEURONS, CLASSES) * (example < other) for example in range(examples)]
        passed = torch.stack([own @ residual for own, residual in zip(heads, residuals, strict=True)])
        derivatives = passed * (inputs @ weight.T + bias > 0)
        left, values, right = torch.linalg.svd(
            derivatives.T @ inputs + NOISE * normal(NEURONS, FEATURES), full_matrices=False
        )
        left, right = left[:, :examples] * values[:examples], right[:examples]
        ones = torch.linalg.lstsq(left, derivatives.sum(0)[:, None]).solution[:, 0]
        mixture = Mixture(
            left=left,
            right=right,
            ones=ones,
            noise=NOISE,
            weight=weight,
            bias=bias,
            jacobian=head,
            bounds=(-torch.inf, torch.inf),
        )
        return mixture, inputs, labels

    return made


def run(mixture):
    return Peeling(mixture, centered, 50, generator(0)).run()


def test_inputs_are_the_same_however_rows_of_the_unmixing_are_scaled(mixed):
    mixture, _, _ = mixed(3)
    rows = torch.randn(3, 3, generator=generator("rows"), dtype=torch.float64)
    scale = torch.tensor([[-2.0], [0.1], [7.0]], dtype=torch.float64)
    assert torch.allclose(mixture.inputs(rows), mixture.inputs(scale * rows))


def test_all_that_is_proved_is_exact_and_has_its_label(mixed):
    for seed in range(3):
        mixture, inputs, labels = mixed(5, seed=seed)
        peeled = run(mixture)
        nearest = torch.cdist(mixture.inputs(peeled.unmixing), inputs).min(1)
        assert nearest.values.max() < 1e-3
        assert sorted(nearest.indices.tolist()) == list(range(5))
        assert list(peeled.labels) == labels[nearest.indices].tolist()


@pytest.mark.slow
def test_what_another_head_made_is_not_proved_and_what_is_proved_is_no_worse_for_it(mixed):
    for seed in range(5):
        mixture, inputs, labels = mixed(6, other=3, seed=seed)
        some, none = run(mixture), run(replace(mixture, jacobian=None))
        assert (len(some.labels), none.labels) == (3, ())
        nearest = torch.cdist(mixture.inputs(some.unmixing), inputs).min(1)
        assert sorted(nearest.indices.tolist()) == list(range(6))
        assert sorted(nearest.indices[:3].tolist()) == [3, 4, 5]
        assert list(some.labels) == labels[nearest.indices[:3]].tolist()
        alone = torch.cdist(mixture.inputs(none.unmixing), inputs).min(1).values
        assert nearest.values.square().mean() < 1.1 * alone.square().mean()
