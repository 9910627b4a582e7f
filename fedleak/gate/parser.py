"""LALR(1) parser of the policy language: a grammar, a transformer onto rules, and one sentence for any mistake."""

import math
import re
from typing import get_args

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from fedleak.errors import ConfigError, did_you_mean
from fedleak.gate.rule import (
    AMOUNTS,
    BASELINES,
    COUNTED,
    KEEPS,
    MEASURED,
    OF_EPSILON,
    Aggregate,
    AggregateName,
    Assertion,
    Bound,
    Comparison,
    Condition,
    Figure,
    Joined,
    Operator,
)
from fedleak.settings.base import Scalar

GRAMMAR = r"""
rule: figure OPERATOR bound ["where" condition] ["unless" condition]
figure: WORD ["(" number ")"]
?bound: number -> fixed
    | (PRIOR | NO_ACCESS | NO_GRADIENT | CLASS_MEAN | DECLARED | ACCOUNTED) [(PLUS | MINUS | TIMES) number] -> relative
?condition: every ("or" every)*
?every: one ("and" one)*
?one: "(" condition ")"
    | WORD (OPERATOR | EQUAL) value -> comparison
    | WORD "in" "[" value ("," value)* "]" -> membership
?value: STRING -> string | number | "true" -> true | "false" -> false
number: MINUS? NUMBER

PRIOR: "prior"
NO_ACCESS: "no-access"
NO_GRADIENT: "no-gradient"
CLASS_MEAN: "class-mean"
DECLARED: "epsilon.declared"
ACCOUNTED: "epsilon.accounted"
OPERATOR: /[<>]=?|[=!]=/
EQUAL: "="
PLUS: "+"
MINUS: "-"
TIMES: "*"
WORD: /[A-Za-z_]\w*([-.]\w+)*/
NUMBER: /(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?/
STRING: /"[^"]*"|'[^']*'/
%ignore /\s+/
"""
AGGREGATES: dict[str, AggregateName] = {name: name for name in get_args(AggregateName) if name != "percentile"}
OPERATORS: dict[str, Operator] = {"=": "==", **{sign: sign for sign in KEEPS}}
ONCE_CALLED = {"no-gradient": "no-access"}
"""Words of policies of before, and what they are called now."""
PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d{1,3})?)", re.ASCII)
DEEPEST = 40
"""Parentheses in parentheses."""
EQUALITY = f"an operator ({' '.join(KEEPS)})"
BOUND = "a number, prior, no-access or class-mean"
VALUE = "a value: a quoted string, a number, true or false"
EXPECTED = {
    ("STRING",): VALUE,
    ("PRIOR",): BOUND,
    ("WORD", "LPAR"): "a field such as defense, attack, sender or batch_size",
    ("WORD",): "the figure to judge, as in psnr.p95 or accuracy",
    ("IN",): f"= {' '.join(KEEPS)} or in",
    ("OPERATOR",): EQUALITY,
    ("LSQB",): "'[' and a list of values after 'in'",
    ("COMMA",): "',' or ']'",
    ("AND", "RPAR"): "'and', 'or' or ')'",
    ("AND", "UNLESS"): "'and', 'or', 'unless' or the end of the rule",
    ("AND",): "'and', 'or' or the end of the rule",
    ("UNLESS",): "'where', 'unless' or the end of the rule",
    ("RPAR",): "')' after the threshold",
    ("NUMBER",): "a number after '{last}'",
}
"""What a sentence says is expected, by tokens that may come; the first entry whose tokens all may come counts."""


def parse_rule(text: str, where: str = "rule") -> Assertion:
    """What a rule says. Raises `ConfigError` with the column, what was expected there and what came.

    `where` names the rule. Whether there are such metrics, fields and values is for `fedleak.gate.validation`.
    """
    try:
        return _parsed(text)
    except UnexpectedInput as error:
        raise ConfigError(f"{where}, {_sentence(error, text)}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}, {error}") from error


def _parsed(text: str) -> Assertion:
    """Goes token by token, to refuse what nests too deep for Python to compare and to write."""
    steps, depth = PARSER.parse_interactive(text.rstrip()), 0
    for token in steps.iter_parse():
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        if depth > DEEPEST:
            raise _misfit(_column(token), f"at most {DEEPEST} parentheses in one another", token)
    rule: Assertion = steps.feed_eof()
    return rule


@v_args(inline=True)
class _Rules(Transformer[Token, Assertion]):
    """Makes of each line of the grammar its piece of a rule, while it is parsed."""

    def rule(
        self, figure: Figure, operator: Token, bound: Bound, where: Condition | None, unless: Condition | None
    ) -> Assertion:
        of_epsilon = figure.name == MEASURED and bound.baseline in OF_EPSILON
        if bound.baseline in OF_EPSILON and not of_epsilon:
            raise _misfit(bound.column, f"a number: {figure} is not compared with a claim", str(bound.baseline))
        if bound.baseline and not of_epsilon and (figure.aggregate is None or figure.aggregate.name == "share"):
            expected = f"a number: {figure} has no {bound.baseline} to compare with"
            raise _misfit(bound.column, expected, bound.baseline)
        return Assertion(figure=figure, operator=OPERATORS[operator], bound=bound, where=where, unless=unless)

    def figure(self, word: Token, threshold: float | None) -> Figure:
        name, dot, rest = word.partition(".")
        if word in COUNTED and threshold is None:
            return Figure(name=str(word), aggregate=None, column=_column(word))
        if name in COUNTED:
            raise _misfit(_column(word), f"{name} by itself, which has no aggregate", word)
        if threshold is not None and rest != "share":
            raise _misfit(_column(word), "share, the one aggregate with a threshold", word)
        aggregate = _aggregate(rest, threshold, _column(word) + len(name) + 1) if dot else Aggregate()
        return Figure(name=name, aggregate=aggregate, column=_column(word))

    def fixed(self, number: float) -> Bound:
        return Bound(number=number)

    def relative(self, baseline: Token, sign: Token | None, amount: float | None) -> Bound:
        return Bound(
            baseline=next(name for name in (*BASELINES, *OF_EPSILON) if name == ONCE_CALLED.get(baseline, baseline)),
            change=next((own for own in AMOUNTS if own == sign), None),
            number=amount or 0.0,
            column=_column(baseline),
        )

    def condition(self, *parts: Condition) -> Joined:
        return Joined(word="or", parts=parts)

    def every(self, *parts: Condition) -> Joined:
        return Joined(word="and", parts=parts)

    def comparison(self, field: Token, operator: Token, value: Scalar) -> Comparison:
        return Comparison(field=str(field), operator=OPERATORS[operator], values=(value,), column=_column(field))

    def membership(self, field: Token, *values: Scalar) -> Comparison:
        return Comparison(field=str(field), operator="==", values=values, column=_column(field))

    def string(self, quoted: Token) -> str:
        return quoted[1:-1]

    def true(self) -> bool:
        return True

    def false(self) -> bool:
        return False

    def number(self, *parts: Token) -> float:
        value = float("".join(parts))
        if not math.isfinite(value):
            raise _misfit(_column(parts[-1]), "a number that a double can hold", parts[-1])
        return value


PARSER = Lark(GRAMMAR, start="rule", parser="lalr", lexer="basic", transformer=_Rules(), g_regex_flags=re.ASCII)


def _aggregate(text: str, threshold: float | None, column: int) -> Aggregate:
    percentile = PERCENTILE.fullmatch(text)
    if percentile and float(percentile[1]) <= 100:
        return Aggregate(name="percentile", number=float(percentile[1]))
    if text in AGGREGATES:
        return Aggregate(name=AGGREGATES[text], number=threshold)
    hint = did_you_mean(text, (*AGGREGATES, "p95"))
    raise _misfit(column, "an aggregate such as mean, worst, share or p95", text, hint)


def _sentence(error: UnexpectedInput, text: str) -> str:
    """What is wrong where the parser stopped.

    The text before is parsed again and that parser asked what may come: the one that stopped may have reduced too far.
    """
    if isinstance(error, UnexpectedCharacters):
        return _unreadable(text, error.pos_in_stream or 0)
    assert isinstance(error, UnexpectedToken)
    at_end = error.token.type == "$END"
    place = len(text) if at_end else error.token.start_pos or 0
    steps = PARSER.parse_interactive(text[:place].rstrip() if at_end else text[:place])
    taken, may_come = steps.exhaust_lexer(), steps.accepts()
    expected = next(phrase for tokens, phrase in EXPECTED.items() if may_come.issuperset(tokens))
    expected, hint = _advice(expected, error.token)
    came = "the end of the rule" if at_end else f"'{error.token}'"
    return f"column {place + 1}: expected {expected.format(last=taken[-1] if taken else '')}, got {came}{hint}"


def _unreadable(text: str, place: int) -> str:
    if text[place] in "\"'":
        return f"column {place + 1}: a string begins here and never ends; close it with another {text[place]}"
    return f"column {place + 1}: expected a name, a number, a quoted string or an operator, got {text[place]!r}"


def _advice(expected: str, came: str) -> tuple[str, str]:
    """What was expected, and a hint at what was meant."""
    is_word = came[:1].isalpha()
    if expected == EQUALITY and came == "=":
        return expected, "; write == for equality"
    if expected == VALUE and is_word:
        return "a value", f'; write it in quotes: "{came}"'
    if expected == BOUND and is_word:
        joined = came.startswith(tuple(f"{baseline}-" for baseline in BASELINES))
        return expected, "; write spaces around the minus" if joined else did_you_mean(came, BASELINES)
    return expected, ""


def _misfit(column: int, expected: str, came: str, hint: str = "") -> ConfigError:
    """What the grammar lets through and no rule has."""
    return ConfigError(f"column {column}: expected {expected}, got '{came}'{hint}")


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1
