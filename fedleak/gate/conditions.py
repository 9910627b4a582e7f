"""Parses what follows `where` and `unless`: comparisons joined by `and`, `or` and parentheses."""

from collections.abc import Callable
from typing import Literal

from fedleak.gate.cursor import Cursor
from fedleak.gate.language import KEEPS, Comparison, Condition, Joined, Operator
from fedleak.settings import Scalar

TRUTHS = {"true": True, "false": False}
DEEPEST = 40
"""Parentheses in parentheses."""


def condition(cursor: Cursor, depth: int = 0) -> Condition:
    """`all {"or" all}`."""
    return _joined(cursor, "or", lambda: _all(cursor, depth))


def _all(cursor: Cursor, depth: int) -> Condition:
    """`one {"and" one}`."""
    return _joined(cursor, "and", lambda: _one(cursor, depth))


def _joined(cursor: Cursor, word: Literal["and", "or"], part: Callable[[], Condition]) -> Condition:
    parts = [part()]
    while cursor.accept(word):
        parts.append(part())
    return parts[0] if len(parts) == 1 else Joined(word=word, parts=tuple(parts))


def _one(cursor: Cursor, depth: int) -> Condition:
    """`"(" condition ")" | field operator value | field "in" "[" values "]"`."""
    if cursor.next.text == "(" and depth == DEEPEST:
        raise cursor.error(f"at most {DEEPEST} parentheses in one another")
    if cursor.accept("("):
        inner = condition(cursor, depth + 1)
        cursor.expect(")", "'and', 'or' or ')'")
        return inner
    if cursor.next.kind != "word":
        raise cursor.error("a field such as defense, attack, sender or batch_size")
    field = cursor.take()
    if cursor.accept("in"):
        return Comparison(field=field.text, operator="==", values=_values(cursor), column=field.column)
    return Comparison(field=field.text, operator=_operator(cursor), values=(_value(cursor),), column=field.column)


def _operator(cursor: Cursor) -> Operator:
    if cursor.accept("="):
        return "=="
    for operator in KEEPS:
        if cursor.accept(operator):
            return operator
    raise cursor.error(f"= {' '.join(KEEPS)} or in")


def _values(cursor: Cursor) -> tuple[Scalar, ...]:
    cursor.expect("[", "'[' and a list of values after 'in'")
    values = [_value(cursor)]
    while cursor.accept(","):
        values.append(_value(cursor))
    cursor.expect("]", "',' or ']'")
    return tuple(values)


def _value(cursor: Cursor) -> Scalar:
    if cursor.next.kind == "string":
        return cursor.take().text[1:-1]
    if cursor.next.text in TRUTHS:
        return TRUTHS[cursor.take().text]
    if cursor.next.kind == "word":
        raise cursor.error("a value", hint=f"""; write it in quotes: "{cursor.next.text}\"""")
    return cursor.number("a value: a quoted string, a number, true or false")
