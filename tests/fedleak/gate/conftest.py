"""Policies and verdicts made by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from fedleak.gate.baseline import compare
from fedleak.gate.judge import judge
from fedleak.gate.measure import Measured
from fedleak.gate.parser import parse_rule
from fedleak.gate.policy import Policy, Rule
from fedleak.gate.verdict import Picture, Verdict
from fedleak.statistics.summary import summarize

RULES = ['psnr < 18 unless defense = "none"', "psnr.worst < 99", "ssim < 1"]


def rule(text: str, number: int = 1, **changed) -> Rule:
    made = {"name": text, "because": "", "line": number, "assertion": parse_rule(text)}
    return Rule(number=number, text=text, **{**made, **changed})


def measured(rows, *federations, **more) -> Measured:
    return Measured(tuple(rows), tuple(summarize(rows)), *federations, **more)


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

    def judge_rows(text: str, rows, federations=(), decide_by="figure", if_measured=False, **more):
        return judge(rule(text, if_measured=if_measured), measured(rows, tuple(federations), **more), decide_by)

    return judge_rows


@pytest.fixture(scope="session")
def make_verdict(make_policy):
    """The verdict on some rules over some rows, without pictures."""

    def make(texts, rows, baseline=None, problems=(), decide_by="figure", **more) -> Verdict:
        policy = make_policy(*texts, decide_by=decide_by)
        return Verdict(
            run=Path("runs/one"),
            policy=policy,
            rules=tuple(judge(one, measured(rows, **more), decide_by) for one in policy.rules),
            baseline=baseline,
            problems=tuple(problems),
            failed_messages=("dlg on single updates under 'none' (digits-mlp): 1 x it raised",),
        )

    return make


@pytest.fixture
def rows(make_row):
    return [make_row(30.0), make_row(40.0, defense="a|b<&>\x01"), make_row(15.0, defense="noise"), make_row(client=1)]


@pytest.fixture
def verdict(make_verdict, make_row, rows):
    """Rules kept and broken, a regression, a problem of the run and a picture."""
    old = [make_row(1.0 + seed / 9, seed=seed) for seed in range(9)]
    new = [make_row(30.0, seed=seed) for seed in range(9)]
    made = make_verdict(RULES, rows, compare(new, old, Path("runs/old"), 0.05), ["3 of 9 cells have not run"])
    first, *others = made.rules
    broken = replace(first.findings[0], picture=Picture(path=Path("runs/one/evidence/x.png")))
    return replace(made, rules=(replace(first, findings=(broken, *first.findings[1:])), *others))
