"""What a figure of the gate is about, and the fields by which a rule selects it."""

import re
from dataclasses import dataclass

from fedleak.analysis.judgement import BASELINES
from fedleak.formatting import setting_in_words
from fedleak.gate.language import Fields
from fedleak.results.row import AGGREGATE
from fedleak.results.setting import Setting
from fedleak.statistics.group import Sender

OF_A_FEDERATION = ("task", "defense")
OF_AN_ATTACK = (*OF_A_FEDERATION, "attack", "sender")
"""The fields that every group has beside its setting."""


@dataclass(frozen=True, kw_only=True)
class Subject:
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
    def place(self) -> "Subject":
        """The same whatever the attack."""
        return Subject(task=self.task, setting=self.setting, defense=self.defense, sender=self.sender)

    @property
    def fields(self) -> Fields:
        """Setting keys count in full and by their last part."""
        own: Fields = {"task": (self.task,), "defense": answers(self.defense)}
        attacked: Fields = {"attack": attack_answers(self.attack)} if self.attack is not None else {}
        sent: Fields = {"sender": (self.sender,)} if self.sender is not None else {}
        short = {short_key(key): (value,) for key, value in self.setting}
        return {**short, **{key: (value,) for key, value in self.setting}, **own, **attacked, **sent}

    def __str__(self) -> str:
        what = "the sum" if self.sender == AGGREGATE else "single updates"
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
