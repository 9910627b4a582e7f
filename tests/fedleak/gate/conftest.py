"""Policies and verdicts made by hand."""

from pathlib import Path

import pytest

from fedleak.gate.grammar import parse_rule
from fedleak.gate.judging import judge
from fedleak.gate.measuring import Measured
from fedleak.gate.policy import Policy, Rule
from fedleak.gate.verdict import Verdict
from fedleak.statistics.summary import summarise


def rule(text: str, number: int = 1, **changed) -> Rule:
    made = {"name": text, "because": "", "line": number, "assertion": parse_rule(text)}
    return Rule(number=number, text=text, **{**made, **changed})


def measured(rows, *federations, **more) -> Measured:
    return Measured(tuple(rows), tuple(summarise(rows)), *federations, **more)


@pytest.fixture(scope="session")
def make_rule():
    return rule


@pytest.fixture(scope="session")
def make_policy():
    def make(*texts: str, decide_by="figure") -> Policy:
        rules = tuple(rule(text, number) for number, text in enumerate(texts, 1))
        return Policy(path=Path("policy.toml"), decide_by=decide_by, rules=rules)

    return make


@pytest.fixture(scope="session")
def judged():
    """The verdict on one rule over some rows."""

    def judge_rows(text: str, rows, federations=(), decide_by="figure", **more):
        return judge(rule(text), measured(rows, tuple(federations), **more), decide_by)

    return judge_rows


@pytest.fixture(scope="session")
def make_verdict(make_policy):
    """The verdict on some rules over some rows, without pictures."""

    def make(texts, rows, baseline=None, problems=()) -> Verdict:
        policy = make_policy(*texts)
        return Verdict(
            run=Path("runs/one"),
            policy=policy,
            rules=tuple(judge(one, measured(rows), "figure") for one in policy.rules),
            baseline=baseline,
            problems=tuple(problems),
            failed_messages=("dlg on single updates under 'none' (digits-mlp): 1 x it raised",),
        )

    return make
