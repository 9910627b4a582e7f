"""Attacks and defenses of parties that hold columns: those of the joint network fit, and others are refused."""

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.report.threat_model import threat_model

COLUMNS = {"partition": "columns", "clients": 2, "columns": "halves"}
SOLVING = {
    "name": "solving",
    "task": {"data": "diabetes", "network": "linear"},
    "federation": {**COLUMNS, "release": "last"},
    "adversary": {"queries": 100},
    "attacks": [{"use": "equality-solving"}],
}
OTHERS = ("s1", "s2", "s3", "s4", "s5", "s6")


def hidden_in(tree) -> tuple[str, ...]:
    return parse_campaign(tree).points[0].experiment.adversary.hidden


def test_hidden_is_what_the_active_party_does_not_hold():
    assert hidden_in(SOLVING) == OTHERS[1:]
    assert hidden_in({**SOLVING, "adversary": {"queries": 9, "hidden": ["s1"]}}) == ("s1",)
    reading = {**SOLVING, "attacks": [{"use": "loss-threshold"}], "adversary": {}}
    assert hidden_in(reading) == ()


def test_metrics_are_those_of_what_is_hidden():
    experiment = parse_campaign(SOLVING).points[0].experiment
    assert experiment.metrics == ("column-error", "column-error-of-others")


def test_defenses_of_answers_fit_and_others_do_not():
    chains = [
        {"name": "rounded", "chain": [{"use": "rounding"}]},
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1.0}]},
    ]
    assert parse_campaign({**SOLVING, "defenses": chains[:1]}).points
    with pytest.raises(ConfigError, match=r"defenses\.1\.chain: gaussian-noise acts on what clients with rows"):
        parse_campaign({**SOLVING, "defenses": chains})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"attacks": [{"use": "dlg"}]}, "attacks.0: dlg looks at what clients with rows of their own send or train"),
        ({"federation": COLUMNS}, "attacks.0: equality-solving has the weights behind the answers, and none leave"),
        ({"adversary": {}}, "attacks.0: equality-solving asks a prediction API, and there is none"),
        ({"adversary": {"queries": 9, "hidden": ["s9"]}}, "adversary.hidden: the table has no column 's9'"),
        ({"task": "digits-linear"}, "attacks.0: equality-solving guesses hidden columns, and none is hidden"),
        ({"federation": {"release": "last"}}, "attacks.0: equality-solving guesses hidden columns, and none is hidden"),
        ({"attacks": [{"use": "nothing"}]}, "attacks.0.use: no attack is called 'nothing'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changed, sentence):
    with pytest.raises(ConfigError) as refused:
        parse_campaign({**SOLVING, **changed})
    assert str(refused.value).startswith(sentence)


def test_the_threat_model_says_who_it_is():
    told = {fact.term: fact.words for fact in threat_model(parse_campaign(SOLVING))}
    assert "It is the active party, which holds columns of its own and the labels" in told["it sees"]
    assert "It has the released weights too." in told["it sees"]
    assert "every column but s2, s3, s4, s5 and s6" in told["it holds"]
    rows = {**SOLVING, "federation": {"release": "last"}, "adversary": {"queries": 9, "hidden": ["sex"]}}
    told = {fact.term: fact.words for fact in threat_model(parse_campaign(rows))}
    assert "It holds some columns: it names rows" in told["it sees"]
