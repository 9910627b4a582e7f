"""Secrets: a canary that does not fit its text, or that nobody types or asks for, is refused in a sentence."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment

CANARY = {"format": "my pin is {digits}", "times": 16}


def parsed(canary: dict[str, Any] | None = None, **changed: Any):
    tree = {
        "name": "secrets",
        "task": "pydoc-gru",
        "federation": {"clients": 2, "release": "last", **({} if canary is None else {"canary": canary})},
        "attacks": [{"use": "secret-ranking"}],
        **changed,
    }
    return parse_experiment(tree)


def test_metrics_follow_from_the_attack() -> None:
    assert parsed(CANARY).metrics == ("exposure", "exact-secret")
    assert parsed(CANARY, adversary={"masked": [0, 3]}).adversary.masked == (0, 3)


@pytest.mark.parametrize(
    ("canary", "changed", "sentence"),
    [
        (None, {}, r"attacks.0: secret-ranking asks for a secret, and nobody types one; set federation.canary"),
        (CANARY, {"task": "digits-mlp"}, r"federation.canary is for texts, and the examples are 1x8x8 images"),
        (CANARY, {"task": "diabetes-mlp"}, r"federation.canary is for texts, and the examples are"),
        ({"format": "my ♥ is {digits}"}, {}, r"federation.canary.format: '♥' is not in the alphabet of this text"),
        (
            {"format": "pin {digits}", "digits": 6},
            {"task": {"data": "pydoc", "network": "gru", "data_options": {"length": 6}}},
            r"federation.canary.digits: a secret of 6 digits is longer than what a window of 6 characters has",
        ),
        (CANARY, {"adversary": {"masked": [4]}}, r"adversary.masked: no digit 4 in a secret of 4; .* 0 to 3"),
        (CANARY, {"adversary": {"masked": [1, 1]}}, r"adversary.masked: expected each place once"),
        (
            None,
            {"adversary": {"masked": [1]}, "attacks": [{"use": "loss-threshold"}]},
            r"adversary.masked: \[1\], and nobody types a secret",
        ),
        (
            CANARY,
            {"adversary": {"masked": [1]}, "attacks": [{"use": "loss-threshold"}]},
            r"adversary.masked: \[1\], and no attack here asks for a secret; add one such as",
        ),
    ],
)
def test_what_does_not_fit_is_refused(canary: dict[str, Any] | None, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parsed(canary, **changed)
