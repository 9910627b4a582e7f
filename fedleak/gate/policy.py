"""Policy file: the rules a run is held to, each with its line so that reports can point there."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fedleak.errors import ConfigError, DataError
from fedleak.gate.parser import parse_rule
from fedleak.gate.rule import Assertion
from fedleak.settings.base import Settings, parse_settings

DecideBy = Literal["figure", "interval"]
Text = Annotated[str, Field(min_length=1)]


class NamedRule(Settings):
    """A rule with a name and a reason."""

    name: Text
    assertion: Annotated[Text, Field(alias="assert")]
    because: str = ""
    if_measured: bool = False
    """Whether it is left out where no attack of a run, or none on such data, has its figure."""


class PolicySettings(Settings):
    """The file as it is written."""

    decide_by: DecideBy = "figure"
    rules: tuple[Text, ...] = ()
    rule: tuple[NamedRule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a policy."""

    number: int
    """From 1, in the order of the file: the plain rules, then the named ones."""
    name: str
    """Its own, or else the rule as written."""
    text: str
    because: str
    line: int
    """Of the policy file."""
    assertion: Assertion
    if_measured: bool = False
    """Whether it is kept where nothing that it is about was tried; where it was, and came to nothing, it is not."""

    @property
    def label(self) -> str:
        """How a sentence calls it."""
        return label_of(self.number, "" if self.name == self.text else self.name)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules, and whether a figure alone decides, or its whole 95% interval must keep a rule as well."""

    path: Path
    decide_by: DecideBy
    rules: tuple[Rule, ...]


def label_of(number: int, name: str) -> str:
    """`rule 2`, with its name where it has one."""
    return f"rule {number} ({name})" if name else f"rule {number}"


def load_policy(path: Path) -> Policy:
    """Reads a policy; raises `DataError` where it cannot be read and `ConfigError` for anything wrong in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        settings = parse_settings(PolicySettings, tomllib.loads(text))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the policy {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    rules = _rules(settings, text, path)
    if not rules:
        raise ConfigError(f"{path} has no rule; write some, as in rules = ['psnr.p95 < 18', 'certified == 0']")
    return Policy(path=path, decide_by=settings.decide_by, rules=rules)


def _rules(settings: PolicySettings, text: str, path: Path) -> tuple[Rule, ...]:
    plain_lines = _lines_of(settings.rules, text, "")
    named_lines = _lines_of(tuple(rule.assertion for rule in settings.rule), text, r"assert[\"']?\s*=\s*")
    written = [
        *(("", text, "", False, line) for text, line in zip(settings.rules, plain_lines, strict=True)),
        *(
            (rule.name, rule.assertion, rule.because, rule.if_measured, line)
            for rule, line in zip(settings.rule, named_lines, strict=True)
        ),
    ]
    return tuple(
        Rule(
            number=number,
            name=name or rule,
            text=rule,
            because=because,
            line=line,
            assertion=parse_rule(rule, f"{path}: {label_of(number, name)}"),
            if_measured=if_measured,
        )
        for number, (name, rule, because, if_measured, line) in enumerate(written, 1)
    )


def _lines_of(rules: tuple[str, ...], text: str, before: str) -> list[int]:
    """The line that holds each rule, searched from where the rule before ends; 1 for what was written otherwise.

    `before` is the pattern of what stands before a rule's quotes.
    """
    lines, start = [], 0
    for rule in rules:
        place = _place_of(rule, text, start, before)
        lines.append(1 if place is None else text.count("\n", 0, place) + 1)
        start = start if place is None else place + len(rule)
    return lines


def _place_of(rule: str, text: str, start: int, before: str) -> int | None:
    """Where a rule stands in quotes, comments left out."""
    escaped = rule.replace("\\", "\\\\").replace('"', '\\"')
    quoted = "|".join([re.escape(f"'{rule}'"), re.escape(f'"{escaped}"')])
    written = re.compile(f"{before}({quoted})")
    for match in written.finditer(text, start):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not line.lstrip().startswith("#"):
            return match.start(1)
    return None
