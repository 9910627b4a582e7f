"""What `fedleak attack` has to be told for an attack, and what it is told for nothing, in one sentence each."""

import pytest

from fedleak.cli.attack_terms import require_terms
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.settings.adversary import AdversarySettings

ASKING, SHARES = {"queries": 9}, {"property": "sex=2", "shares": (0.2, 0.8)}
COLUMNS = {**ASKING, "hidden": ("sex",)}


@pytest.mark.parametrize(
    ("attack", "told", "sentence"),
    [
        ("mi-face", ASKING, "--queries: mi-face asks no prediction API; leave it out"),
        ("served-gap", {}, "served-gap asks a prediction API; say how many inputs, as in --queries 1000"),
        ("csmia", ASKING, "csmia guesses hidden columns; say which, as in --hidden sex"),
        ("gap", {"hidden": ("sex",)}, "--hidden: gap guesses no hidden columns; leave it out"),
        ("deep-sets", {}, "deep-sets tells shares of a property apart; say of which, as in --property sex=Female "),
        ("gap", SHARES, "--property: gap tells no shares of a property apart; leave it out"),
        ("shapley-inversion", COLUMNS, "shapley-inversion reads explanations of answers; say by --explanations that"),
        ("csmia", {**COLUMNS, "explanations": True}, "--explanations: csmia reads none; leave it out"),
        ("gap", {"masked": (0,)}, "--masked: gap asks for no secret; leave it out"),
    ],
)
def test_what_is_missing_or_idle_is_one_sentence(attack, told, sentence):
    with pytest.raises(ConfigError) as refused:
        require_terms(attacks.build(attack, {}), AdversarySettings(**told))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ("gap", {}),
        ("csmia", COLUMNS),
        ("shapley-inversion", {**COLUMNS, "explanations": True}),
        ("deep-sets", SHARES),
        ("masked-secret", {"masked": (0, 1)}),
        ("secret-ranking", {}),
        ("equality-solving", COLUMNS),
    ],
)
def test_what_is_needed_is_enough(attack, told):
    require_terms(attacks.build(attack, {}), AdversarySettings(**told))
