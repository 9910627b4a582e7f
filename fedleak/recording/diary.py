"""Diary of split training: what one party, or the server that relays, saw of a round, message by message.

Beside a pair of files with what it held when the round began lies one that only grows: whatever ends a round, what was
seen of it until then is there. A party's has its own columns and weights, and messages that it was asked and answered;
the relay's has the messages of all and neither columns nor weights. Nobody's has what another holds.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Exchange
from fedleak.contracts.tampered import built, tables_of
from fedleak.contracts.tampering import Tampering
from fedleak.errors import OutputError, RecordingError
from fedleak.io.atomic import open_privately
from fedleak.io.tensors import FACTS, TENSORS, beside, read_pair, write_pair
from fedleak.learning.facts import LocalTraining
from fedleak.learning.split import ACTIVE
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors
from fedleak.recording.task_table import read_task, task_table
from fedleak.settings.base import parse_settings
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened

FORMAT = "fedleak-diary-1"
RELAY: Final = "relay"
LINES = ".lines"
Holder = int | Literal["relay"]
"""A party by its number, or the server that relays."""
Asked = Literal["forward", "top", "backward"]
"""What a party was asked for: its embedding, slopes for those of the others, a step."""
ASKED: tuple[Asked, ...] = get_args(Asked)
ROWS, EMBEDDING, SLOPE = "rows", "embedding", "slope"
"""Names of the tensors in messages; of all parties at once with the number behind a dot."""
LENGTH = struct.Struct("<Q")
PLACE, QUESTION, ANSWER = "place", "question/", "answer/"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message and its answer."""

    step: int
    asked: Asked
    party: int
    """Who was asked."""
    question: NamedTensors
    answer: NamedTensors

    def to_bytes(self) -> bytes:
        """With its length in front, so that lines can follow one another."""
        place = torch.tensor([self.step, ASKED.index(self.asked), self.party])
        named = {QUESTION: self.question, ANSWER: self.answer}
        tensors = {prefix + name: one for prefix, own in named.items() for name, one in own.items()}
        content = save({PLACE: place, **{name: value.contiguous() for name, value in tensors.items()}})
        return LENGTH.pack(len(content)) + content

    @classmethod
    def from_bytes(cls, content: bytes) -> "Line":
        tensors = load(content)
        step, asked, party = tensors.pop(PLACE).tolist()
        named: list[NamedTensors] = [
            {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            for prefix in (QUESTION, ANSWER)
        ]
        return cls(step=step, asked=ASKED[asked], party=party, question=named[0], answer=named[1])


@dataclass(frozen=True, kw_only=True)
class Diary:
    """What one holder saw of one round."""

    settings: TaskSettings
    split: Split
    who: Holder
    round: int
    training: LocalTraining
    chain: Chain
    defense: str
    """Name of the chain in the experiment."""
    seed: int
    weights: NamedTensors = field(default_factory=dict)
    """What it held when the round began; nothing at the relay."""
    tampering: tuple[Tampering, ...] = ()
    """What passive parties do beside training, as whoever does it knows."""
    lines: tuple[Line, ...] = ()

    @property
    def task(self) -> Task:
        """The joint task."""
        return hardened(self.settings, self.chain, self.split)

    @property
    def stem(self) -> Path:
        """Where it lies in a folder of recordings, without suffix."""
        return stem_of(self.who, self.round)


def stem_of(who: Holder, round: int) -> Path:
    """Where the diary of a party, or of the relay, lies in a folder of recordings, without suffix."""
    if isinstance(who, int):
        return Path(f"round-{round:04d}") / ("active" if who == ACTIVE else f"client-{who:04d}")
    return Path(f"round-{round:04d}") / who


def begin(folder: Path, diary: Diary) -> None:
    """Writes what is known when the round begins; lines of an earlier run go."""
    facts = {
        "format": FORMAT,
        "task": task_table(diary.settings, folder / diary.stem),
        "split": diary.split.model_dump(mode="json"),
        "who": diary.who,
        "round": diary.round,
        "training": asdict(diary.training),
        "chain": diary.chain.tables,
        "defense": diary.defense,
        "seed": diary.seed,
        **({"does": tables_of(diary.tampering)} if diary.tampering else {}),
    }
    stem = folder / diary.stem
    beside(stem, LINES).unlink(missing_ok=True)
    write_pair(stem, diary.weights, facts, private=folder)


def append(folder: Path, who: Holder, round: int, *lines: Line) -> None:
    """Adds lines at the end."""
    path = beside(folder / stem_of(who, round), LINES)
    try:
        with open_privately(path, "ab") as file:
            file.write(b"".join(line.to_bytes() for line in lines))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error


def read_diary(path: Path) -> Diary:
    """Reads a diary (any of its files); raises `RecordingError` where it is damaged or none.

    A line that was not written to its end, as where a process was killed, is left out.
    """
    stem = path.with_suffix("")
    tensors, facts = read_pair(beside(stem, FACTS))
    if facts.get("format") != FORMAT:
        raise RecordingError(f"{path}: expected a diary of format {FORMAT}, got {facts.get('format')!r}")
    lines = beside(stem, LINES)
    try:
        return Diary(
            settings=read_task(facts["task"], path),
            split=parse_settings(Split, facts["split"]),
            training=LocalTraining.of(facts["training"]),
            chain=Chain.build(tuple(facts["chain"])),
            tampering=built(facts.get("does", ())),
            weights=tensors,
            lines=tuple(_lines(lines.read_bytes())) if lines.exists() else (),
            **{name: facts[name] for name in ("who", "round", "defense", "seed")},
        )
    except (KeyError, TypeError, ValueError, IndexError, SafetensorError) as error:
        raise RecordingError(f"{path} is damaged ({error!r} is missing or wrong); record it again") from error


def _lines(content: bytes) -> Iterator[Line]:
    place = 0
    while place + LENGTH.size <= len(content):
        (length,) = LENGTH.unpack_from(content, place)
        place += LENGTH.size + length
        if place <= len(content):
            yield Line.from_bytes(content[place - length : place])


def is_diary(path: Path) -> bool:
    """Whether a diary, and no recording of another kind, lies at a path, with or without suffix."""
    try:
        return bool(json.loads(beside(path.with_suffix(""), FACTS).read_bytes()).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False  # whoever reads it says what is wrong with it


def exchanges_of(lines: Iterable[Line]) -> tuple[Exchange, ...]:
    """The steps that lines are of, as far as their holder saw them; steps of which nothing came back have no slopes."""
    rows: dict[int, Tensor] = {}
    sent: dict[int, dict[int, Tensor]] = {}
    returned: dict[int, dict[int, Tensor]] = {}
    for line in lines:
        rows[line.step] = line.question[ROWS]
        embeddings, slopes = sent.setdefault(line.step, {}), returned.setdefault(line.step, {})
        if line.asked == "forward":
            embeddings[line.party] = line.answer[EMBEDDING]
        elif line.asked == "backward":
            slopes[line.party] = line.question[SLOPE]
        else:
            embeddings |= _by_party(line.question, EMBEDDING)
            slopes |= _by_party(line.answer, SLOPE)
    return tuple(
        Exchange(step=step, rows=own, embeddings=sent[step], slopes=returned[step]) for step, own in rows.items()
    )


def _by_party(tensors: NamedTensors, name: str) -> dict[int, Tensor]:
    return {int(key.removeprefix(f"{name}.")): value for key, value in tensors.items() if key.startswith(f"{name}.")}


# A party's own columns, which are the same in each round.


def write_columns(folder: Path, party: int, columns: NamedTensors) -> None:
    """Stores them once for all rounds."""
    stem = _columns(folder, party)
    if not beside(stem, FACTS).exists():
        write_pair(stem, columns, {"format": FORMAT, "party": party}, private=folder)


def read_columns(folder: Path, party: int) -> NamedTensors:
    """`inputs` and, of the active party, `labels`; raises `RecordingError` where they are not there."""
    return read_pair(beside(_columns(folder, party), FACTS))[0]


def columns_files(folder: Path, party: int) -> list[Path]:
    """The files of a party's own columns that are there."""
    return [path for suffix in (FACTS, TENSORS) if (path := beside(_columns(folder, party), suffix)).exists()]


def _columns(folder: Path, party: int) -> Path:
    return folder / f"columns-{party:04d}"
