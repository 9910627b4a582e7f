"""A policy file gives its rules with their lines, or one sentence that says what is wrong with it."""

import re

import pytest

from fedleak.errors import ConfigError, DataError
from fedleak.gate.policy import load_policy

POLICY = """# psnr.p95 < 18 is 'psnr.p95 < 18' in a comment
decide_by = "interval"
rules = [
  'certified == 0', 'psnr.p95 < 18',
  "label-recall < prior unless defense = \\"none\\"",
]

[[rule]]
name = "photos stay unrecognizable"
assert = 'psnr.p95 < 18'
because = "people know a face at 18 dB"
if_measured = true
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "policy.toml"
        path.write_text(text)
        return path

    return write


def test_rules_come_in_the_order_of_the_file_with_their_lines(written):
    policy = load_policy(written(POLICY))
    assert policy.decide_by == "interval"
    assert [(rule.number, rule.line) for rule in policy.rules] == [(1, 4), (2, 4), (3, 5), (4, 10)]
    assert policy.rules[2].text == 'label-recall < prior unless defense = "none"'


def test_a_rule_without_a_name_is_called_by_what_it_says(written):
    policy = load_policy(written(POLICY))
    plain, named = policy.rules[2:]
    assert (plain.name, plain.label) == (plain.text, "rule 3")
    assert (named.name, named.label) == ("photos stay unrecognizable", "rule 4 (photos stay unrecognizable)")
    assert named.because == "people know a face at 18 dB"
    assert [one.if_measured for one in policy.rules] == [one is named for one in policy.rules]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no rule; write some"),
        ("rules = ['psnr < 1'", "is not valid TOML"),
        ("rule = ['psnr < 1']", "rule.0: expected .*, got 'psnr < 1'"),
        ("ruls = ['psnr < 1']", r"ruls: unknown field; did you mean 'rules'\?"),
        ("rules = [3]", "rules.0: expected a valid string, got 3"),
        ("decide_by = 'luck'\nrules = ['psnr < 1']", "decide_by: expected 'figure' or 'interval', got 'luck'"),
        ("[[rule]]\nname = 'x'\nasert = 'psnr < 1'", r"rule.0.as.*"),
        ("[[rule]]\nname = 'x'\nassert = 'psnr < 1'\nbecuase = 'y'", r"unknown field; did you mean 'because'\?"),
        ("[[rule]]\nassert = 'psnr < 1'", "rule.0.name: missing"),
        ("rules = ['psnr < 1', 'psnr 2']", "rule 2, column 6: expected an operator"),
        ("[[rule]]\nname = 'dark'\nassert = 'psnr <'", r"rule 1 \(dark\), column 7: expected a number"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(written, text, sentence):
    path = written(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in re.sub(r"(?s)got .*", "", str(caught.value))


def test_a_policy_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot read the policy"):
        load_policy(tmp_path / "nowhere.toml")
    with pytest.raises(DataError, match="cannot read the policy"):
        load_policy(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("rules = ['psnr < 18']", encoding="utf-8-sig")
    assert [rule.line for rule in load_policy(path).rules] == [1]
