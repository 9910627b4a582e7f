"""Measurements: the figure of one group, and the fields by which a rule selects the group."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedleak.analysis.judgement import BASELINES
from fedleak.formatting import setting_in_words
from fedleak.gate.rule import Baseline, Fields
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, MODEL, Setting
from fedleak.statistics.group import Sender
from fedleak.statistics.intervals import Interval
from fedleak.statistics.summary import Summary

OF_A_FEDERATION = ("task", "defense")
OF_AN_ATTACK = (*OF_A_FEDERATION, "attack", "sender")
"""The fields that every group has beside its setting."""


@dataclass(frozen=True, kw_only=True)
class MeasuredGroup:
    """A federation or, where an attack is named, what that attack got from its messages."""

    task: str
    setting: Setting
    defense: str
    algorithm: str | None = None
    """The attack's registered name."""
    attack: str | None = None
    """Its label."""
    sender: Sender | None = None

    @property
    def blind(self) -> bool:
        """Whether what was attacked was never looked at."""
        return self.algorithm in BASELINES

    @property
    def place(self) -> "MeasuredGroup":
        """The same whatever the attack."""
        return MeasuredGroup(task=self.task, setting=self.setting, defense=self.defense, sender=self.sender)

    @property
    def fields(self) -> Fields:
        """Setting keys count in full and by their last part."""
        own: Fields = {"task": (self.task,), "defense": answers(self.defense)}
        attacked: Fields = {"attack": attack_answers(self.attack)} if self.attack is not None else {}
        sent: Fields = {"sender": (self.sender,)} if self.sender is not None else {}
        short = {short_key(key): (value,) for key, value in self.setting}
        return {**short, **{key: (value,) for key, value in self.setting}, **own, **attacked, **sent}

    def __str__(self) -> str:
        what = {AGGREGATE: "the sum", MODEL: "the model"}.get(self.sender or "", "single updates")
        attacked = f"{self.attack} on {what} under " if self.attack else f"{what} under " if self.sender else ""
        where = ", ".join(filter(None, [self.task, setting_in_words(dict(self.setting))]))
        return f"{attacked}'{self.defense}' ({where})"


def answers(label: str) -> tuple[str, ...]:
    """What a label answers to: itself, and the same without the options that tell variants apart."""
    name = re.sub(r"( [\w.]+=\S+)+$", "", label)
    return (label,) if name in ("", label) else (label, name)


def attack_answers(label: str) -> tuple[str, ...]:
    """The same for an attack, whose label also tells where it comes again: `dlg-2` answers to `dlg`."""
    *_, shortest = answers(label)
    return tuple(dict.fromkeys((*answers(label), re.sub(r"-\d+$", "", shortest))))


def short_key(key: str) -> str:
    """The last part of a dotted key."""
    return key.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A figure of one group, with what it must be read beside. NaN where nothing was measured."""

    group: MeasuredGroup
    value: float
    unit: str
    interval: Interval | None
    """None for a count or an extreme: it says what was seen, and no more."""
    baselines: Mapping[Baseline, float] = field(default_factory=dict)
    messages: int
    """That have a figure; for a federation's figure 0."""
    gap: str = ""
    """How many messages could have had one and have none, as a clause; empty where all have one."""
    seeds: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """Why messages have no figure, counted."""
    applicable: bool = True
    """False where there is no figure because the metric cannot judge such guesses, or such data."""
    problem: str = ""
    """Why the figure counts for nothing, whatever it is: a crash, an evaluation that came to nothing. A sentence."""
    refused: str = ""
    """Why there was nothing to attack, as a clause: clients refused what a server that cheats sent; else empty."""
    certifiable: int | None = None
    """Messages where the attack had a test that could have proved its guess; None where that is not the question."""
    rows: tuple[Row, ...] = ()
    """What it was made from."""


def baselines_of(summary: Summary) -> dict[Baseline, float]:
    """What a rule may compare a group with; labels have no class means, which take labels from the update."""
    blind: dict[Baseline, float] = {"prior": summary.prior, "no-access": summary.no_access}
    return blind if math.isnan(summary.class_mean) else {**blind, "class-mean": summary.class_mean}
