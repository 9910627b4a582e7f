"""Ridge regression: as scikit-learn has it, in whatever batches rows come."""

import numpy as np
import torch
from sklearn.linear_model import Ridge

from fedleak.attacks.parts.learning.decoder import Regression
from fedleak.randomness import generator


def test_it_is_that_of_scikit_learn():
    rng = generator("rows")
    seen = torch.randn(50, 6, generator=rng) + 3
    said = seen[:, :2] * 2 - 1 + 0.3 * torch.randn(50, 2, generator=rng)
    found = Regression.on([(seen[:20], said[:20]), (seen[20:], said[20:])])
    unit = float(seen.double().var(0, correction=0).mean())
    for ridge in (1e-6, 0.1, 10.0):
        weight, bias = found.line(ridge)
        oracle = Ridge(alpha=ridge * unit * 50).fit(seen.double().numpy(), said.double().numpy())
        np.testing.assert_allclose(weight.numpy(), oracle.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bias.numpy(), oracle.intercept_, rtol=1e-4, atol=1e-4)


def test_features_that_never_change_say_nothing():
    weight, bias = Regression.on([(torch.ones(9, 3), torch.arange(9.0)[:, None])]).line(1e-6)
    assert weight.abs().max() < 1e-6
    torch.testing.assert_close(weight @ torch.ones(3) + bias, torch.tensor([4.0]))
