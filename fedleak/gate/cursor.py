"""A place among a rule's tokens: what comes next, taking it, and the sentence for what does not fit."""

import math

from fedleak.errors import ConfigError
from fedleak.gate.tokens import Token, tokens_of


class Cursor:
    """Reads a rule from left to right; `where` names the rule in what `ConfigError` says."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._tokens = tokens_of(text, where)
        self._place = 0

    @property
    def next(self) -> Token:
        """The token that is not taken yet."""
        return self._tokens[self._place]

    def take(self) -> Token:
        """The next token; the end stays where it is."""
        token = self.next
        self._place += token.kind != "end"
        return token

    def accept(self, text: str) -> bool:
        """Takes the next token if it is this word or sign."""
        found = self.next.kind in ("word", "sign") and self.next.text == text
        self._place += found
        return found

    def expect(self, text: str, expected: str) -> None:
        """Takes this word or sign, or raises."""
        if not self.accept(text):
            raise self.error(expected)

    def number(self, expected: str) -> float:
        """Takes a number, which may have a sign."""
        sign = -1.0 if self.accept("-") else 1.0
        if self.next.kind != "number":
            raise self.error(expected)
        value = float(self.next.text)
        if not math.isfinite(value):
            raise self.error("a number that a double can hold")
        self.take()
        return sign * value

    def error(self, expected: str, token: Token | None = None, *, hint: str = "") -> ConfigError:
        """The sentence: where, what was expected, what came, and perhaps what to do."""
        at = token or self.next
        return ConfigError(f"{self.where}, column {at.column}: expected {expected}, got {at}{hint}")
