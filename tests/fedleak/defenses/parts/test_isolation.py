"""An isolation forest that is walked at once says what scikit-learn's does."""

import pytest
import torch
from sklearn.ensemble import IsolationForest

from fedleak.defenses.parts.isolation import fitted
from fedleak.randomness import generator


@pytest.mark.parametrize(("examples", "trees"), [(4, 3), (30, 20), (400, 50)])
def test_its_scores_are_scikit_learn_s(examples, trees):
    benign = torch.randn(examples, 1, 2, 3, generator=generator("benign"))
    asked = torch.cat([benign, 5 * torch.randn(20, 1, 2, 3, generator=generator("asked"))])
    theirs = IsolationForest(n_estimators=trees, random_state=0).fit(benign.flatten(1).numpy())
    expected = -torch.from_numpy(theirs.score_samples(asked.flatten(1).numpy())).float()
    assert torch.allclose(fitted(benign, trees).score(asked), expected, atol=1e-6)


def test_examples_that_are_all_the_same_isolate_nobody():
    benign = torch.zeros(10, 3)
    assert torch.isfinite(fitted(benign, 5).score(benign)).all()
