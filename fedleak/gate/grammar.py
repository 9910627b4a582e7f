"""Parses a rule by recursive descent: a function for each line of the grammar, those of a condition in `conditions`.

```
rule       = figure operator bound ["where" condition] ["unless" condition]
figure     = METRIC ["." aggregate] | "certified" | "failed" | "accuracy" | "loss"
aggregate  = "mean" | "median" | "min" | "max" | "worst" | "pNN" | "share" ["(" number ")"]
operator   = "<" | "<=" | ">" | ">=" | "==" | "!="
bound      = number | ("prior" | "no-gradient") [("+" | "-" | "*") number]
condition  = all {"or" all}
all        = one {"and" one}
one        = "(" condition ")" | FIELD (operator | "=") value | FIELD "in" "[" value {"," value} "]"
value      = "quoted" | 'quoted' | number | "true" | "false"
```
"""

import re
from typing import get_args

from fedleak.errors import did_you_mean
from fedleak.gate.conditions import condition
from fedleak.gate.cursor import Cursor
from fedleak.gate.language import AMOUNTS, KEEPS, Aggregate, AggregateName, Assertion, Baseline, Bound, Figure, Operator
from fedleak.gate.tokens import Token

COUNTED = ("certified", "failed", "accuracy", "loss")
"""Figures that are no metric's and have no aggregate."""
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
AGGREGATES: dict[str, AggregateName] = {name: name for name in get_args(AggregateName) if name != "percentile"}
PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d{1,3})?)", re.ASCII)


def parse_rule(text: str, where: str = "rule") -> Assertion:
    """What a rule says. Raises `ConfigError` with the column, what was expected there and what came.

    `where` names the rule. Whether there are such metrics, fields and values is another question; see `vocabulary`.
    """
    cursor = Cursor(text, where)
    figure, operator = _figure(cursor), _operator(cursor)
    bound = _bound(cursor, figure)
    where_, unless = (condition(cursor) if cursor.accept(word) else None for word in ("where", "unless"))
    if cursor.next.kind != "end":
        joints = "'and', 'or'" if where_ or unless else "'where'"
        raise cursor.error(
            f"{joints} or the end of the rule" if unless else f"{joints}, 'unless' or the end of the rule"
        )
    return Assertion(figure=figure, operator=operator, bound=bound, where=where_, unless=unless)


def _figure(cursor: Cursor) -> Figure:
    if cursor.next.kind != "word":
        raise cursor.error("the figure to judge, as in psnr.p95 or accuracy")
    token = cursor.take()
    name, dot, rest = token.text.partition(".")
    if name in COUNTED and dot:
        raise cursor.error(f"{name} by itself, which has no aggregate", token)
    if name in COUNTED:
        return Figure(name=name, aggregate=None, column=token.column)
    at = Token(kind="word", text=rest, column=token.column + len(name) + 1)
    return Figure(name=name, aggregate=_aggregate(cursor, at) if dot else Aggregate(), column=token.column)


def _aggregate(cursor: Cursor, token: Token) -> Aggregate:
    percentile = PERCENTILE.fullmatch(token.text)
    if percentile and float(percentile[1]) <= 100:
        return Aggregate(name="percentile", number=float(percentile[1]))
    if token.text not in AGGREGATES:
        nearest = did_you_mean(token.text, (*AGGREGATES, "p95"))
        raise cursor.error("an aggregate such as mean, worst, share or p95", token, hint=nearest)
    if token.text == "share" and cursor.accept("("):
        threshold = cursor.number("a number, the threshold of the share")
        cursor.expect(")", "')' after the threshold")
        return Aggregate(name="share", number=threshold)
    return Aggregate(name=AGGREGATES[token.text])


def _operator(cursor: Cursor) -> Operator:
    for operator in KEEPS:
        if cursor.accept(operator):
            return operator
    equality = "; write == for equality" if cursor.next.text == "=" else ""
    raise cursor.error(f"an operator ({' '.join(KEEPS)})", hint=equality)


def _bound(cursor: Cursor, figure: Figure) -> Bound:
    token = cursor.next
    for baseline in BASELINES:
        if cursor.accept(baseline):
            if figure.aggregate is None or figure.aggregate.name == "share":
                raise cursor.error(f"a number: {figure} has no {baseline} to compare with", token)
            return _changed(cursor, baseline)
    if token.kind == "word":
        joined = token.text.startswith(tuple(f"{baseline}-" for baseline in BASELINES))
        hint = "; write spaces around the minus" if joined else did_you_mean(token.text, BASELINES)
        raise cursor.error("a number, prior or no-gradient", hint=hint)
    return Bound(number=cursor.number("a number, prior or no-gradient"))


def _changed(cursor: Cursor, baseline: Baseline) -> Bound:
    for sign in AMOUNTS:
        if cursor.accept(sign):
            return Bound(baseline=baseline, change=sign, number=cursor.number(f"a number after '{sign}'"))
    return Bound(baseline=baseline)
