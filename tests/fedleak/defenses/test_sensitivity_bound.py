"""What defenses say about the length of what they return holds, at worst inputs too."""

import pytest
import torch

from fedleak.contracts.defense import defenses
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.settings.base import Table

DEFENSES: list[Table] = [
    {"use": "clipping", "max_norm": 0.5},
    {"use": "top-k", "fraction": 0.2},
    {"use": "random-k", "fraction": 0.2},
    {"use": "random-k", "fraction": 0.2, "scaled": True},
    {"use": "sign-sgd"},
    {"use": "qsgd", "levels": 1, "bucket": 16},
    {"use": "qsgd", "levels": 15},
]


@pytest.mark.parametrize("table", DEFENSES, ids=lambda table: f"{table['use']} {len(table)}")
@pytest.mark.parametrize("shape", ["normal", "one", "even"])
def test_no_update_is_longer_than_was_said(table: Table, shape: str) -> None:
    values = {
        "normal": torch.randn(50, generator=generator("bounded")),
        "one": torch.eye(50)[0],
        "even": torch.ones(50),
    }[shape]
    given = Update({"a": values[:33].reshape(3, 11), "b": values[33:]}, UpdateKind.DELTA)
    norm = float(given.vector().norm())
    defense = defenses.from_table(table)
    longest = max(float(defense.protect(given, generator(seed)).vector().norm()) for seed in range(20))
    assert longest <= defense.sensitivity_bound(norm) * (1 + 1e-6)
