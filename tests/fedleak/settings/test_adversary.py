"""What the adversary is asked about: a property with shares to tell apart, or a sentence."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings
from fedleak.settings.skew import Skew


def test_two_shares_or_more_of_a_property() -> None:
    known = parse_settings(AdversarySettings, {"property": "sex=2", "shares": [0, 0.5, 1]})
    assert (known.property, known.shares) == ("sex=2", (0.0, 0.5, 1.0))
    assert parse_settings(AdversarySettings, {}).shares == ()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"property": "sex=2"}, "two shares or more that the property may have, each once"),
        ({"property": "sex=2", "shares": [0.3]}, "two shares or more that the property may have, each once"),
        ({"property": "sex=2", "shares": [0.3, 0.3]}, "two shares or more that the property may have, each once"),
        ({"property": "sex=2", "shares": [0.3, 1.5]}, r"shares\.1"),
        ({"property": "sex=2", "shares": [-0.1, 0.5]}, r"shares\.0"),
        ({"property": "sex", "shares": [0.3, 0.6]}, "a property such as"),
        ({"shares": [0.3, 0.6]}, "shares beside what they are of"),
    ],
)
def test_anything_else_is_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_settings(AdversarySettings, settings)


def test_seeds_take_shares_in_turn() -> None:
    skew = parse_settings(Skew, {"property": "sex=2", "shares": [0.3, 0.6, 0.9]})
    assert [skew.of_seed(seed) for seed in range(4)] == [0.3, 0.6, 0.9, 0.3]
    assert Skew(property="sex=2", share=0.2).of_seed(5) == 0.2
    for wrong in ({"shares": [0.3, 0.6]}, {"property": "sex=2", "shares": [0.3]}):
        with pytest.raises(ConfigError, match="that seeds take in turn"):
            parse_settings(Skew, wrong)
