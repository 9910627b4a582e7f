"""The objective: a margin up to a cap, and a prior."""

import math

import pytest
import torch

from fedleak.attacks.parts.model_inversion.objective import Objective, margins


def test_a_margin_is_to_the_likeliest_other_class():
    answers = torch.tensor([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]]).double()
    ahead = margins(answers, (2, 0))
    assert ahead[0].tolist() == pytest.approx([math.log(0.1 / 0.7), math.log(0.7 / 0.2)])
    assert ahead[1].tolist() == pytest.approx([math.log(1e-12)] * 2)


def test_beyond_the_cap_only_the_prior_counts():
    objective = Objective(cap=10.0, prior=0.5)
    near, far = torch.tensor([[0.0, 1.0]]).double(), torch.tensor([[2.0, 2.0]]).double()
    assert objective.of(torch.tensor([[11.0]]).double(), near).item() == 0.25 - 10
    assert objective.of(torch.tensor([[99.0]]).double(), near).item() == 0.25 - 10
    assert objective.of(torch.tensor([[99.0]]).double(), far).item() == 2.0 - 10
