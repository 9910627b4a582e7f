"""Members among strangers: how many each attack finds at few false alarms, with a ROC down to one in a thousand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.analysis.evidence import defense_words
from fedleak.analysis.judgement import kind_of
from fedleak.errors import FedleakError
from fedleak.evaluation.message import Message
from fedleak.formatting import DASH, counted, number
from fedleak.goals.answer import Challenge
from fedleak.goals.membership import ranked
from fedleak.metrics.placement import Placement
from fedleak.report.convergence import SERIES, Lines, Points, lines_of
from fedleak.results.row import Row
from fedleak.results.schema import MODEL
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import cell_of
from fedleak.statistics.roc import Share, each, found_at, roc

FEW, FEWEST = 0.01, 0.001
"""The shares of false alarms that the table is about; curves begin at the second."""
STEPS = 20
"""Points of a curve for each power of ten."""
LINES, CHARTS = 120, 6
"""Lines of the table and charts that are shown, to keep the page small."""
GUESSING = "guessing"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attack under one defense in one setting, over all seeds and messages."""

    condition: Condition
    defense: str
    attack: str
    carrier: str
    """What was attacked: `message` or `model`."""
    seeds: tuple[int, ...]
    placed: tuple[Placement, ...]
    """Of each message the members among those who are none, by the attack's scores."""

    @property
    def strangers(self) -> int:
        """The fewest that the members of a message were among."""
        return min(one.others for one in self.placed)

    @property
    def least(self) -> float:
        """The fewest false alarms that can be met in every message: one stranger, or one in a thousand."""
        return max(FEWEST, 1 / self.strangers)

    def found(self, rate: float) -> Share:
        """The share of members that it finds at one share of false alarms, the mean over messages."""
        return Share.of(each(self.placed, found_at(rate)), self.seeds, self.carrier)

    @property
    def curve(self) -> Points:
        """The ROC as it is drawn: a share below the edge of the chart lies on it; taking all finds all."""
        drawn = ((rate, max(found, FEWEST)) for rate, found in roc(self.placed, _rates(self.least)))
        return (*drawn, (1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Line:
    """An attack under a defense, a line of the table."""

    where: str
    defense: str
    attack: str
    asked: str
    """`5 models, 500 strangers each`."""
    few: str
    fewest: str
    """With the share of false alarms where one in a thousand is less than one stranger."""


@dataclass(frozen=True, kw_only=True)
class Members:
    """The section. Where what it is made of cannot be read it has a sentence and nothing else."""

    sentence: str
    lines: tuple[Line, ...] = ()
    lines_left_out: int = 0
    charts: tuple[Lines, ...] = ()
    charts_left_out: int = 0


def members(folder: RunFolder, rows: Iterable[Row]) -> Members | None:
    """The section of a run's test rows; None where no attack said who of strangers and members was there."""
    scored = {cell_of(row): row for row in rows if kind_of(row.metric) == "membership" and row.per_sample}
    if not scored:
        return None
    try:
        tried = tried_in(folder, scored.values())
    except FedleakError as error:  # the page is about the rows, and can be made without the files behind them
        return Members(sentence=f"Who was told from whom cannot be shown: {error}.")
    if not tried:
        return None
    lines, charts = [_line(one) for one in tried], _charts(tried)
    return Members(
        sentence=_sentence(tried),
        lines=tuple(lines[:LINES]),
        lines_left_out=max(0, len(lines) - LINES),
        charts=tuple(charts[:CHARTS]),
        charts_left_out=max(0, len(charts) - CHARTS),
    )


def tried_in(folder: RunFolder, rows: Iterable[Row]) -> list[Tried]:
    """The attacks whose guesses are saved, a row for each cell; raises what reading a cell or its message raises."""
    groups: dict[tuple[Condition, str, str, str], list[tuple[int, Placement]]] = {}
    challenges: dict[Path, Challenge | None] = {}
    for row in rows:
        path = folder.recording(row)
        if path not in challenges:
            challenges[path] = Message.of(folder, row).challenge
        placed = _placed(folder, row, challenges[path])
        if placed is not None:
            carrier = "model" if row.client == MODEL else "message"
            where = condition_of_row(row), defense_words(row.defense, row.client), row.attack, carrier
            groups.setdefault(where, []).append((row.seed, placed))
    return [
        Tried(
            condition=condition,
            defense=defense,
            attack=attack,
            carrier=carrier,
            seeds=tuple(seed for seed, _ in found),
            placed=tuple(placed for _, placed in found),
        )
        for (condition, defense, attack, carrier), found in groups.items()
    ]


def _placed(folder: RunFolder, row: Row, challenge: Challenge | None) -> Placement | None:
    """None where the attack said nothing of them, or nobody was a stranger."""
    guess = cell_file.load(folder.cell(row)).guess.membership
    if guess is None or challenge is None or not len(challenge.non_members):
        return None
    scores = ranked(guess)
    return Placement.of(scores[challenge.members], scores[challenge.non_members])


def _rates(least: float) -> list[float]:
    """Shares of false alarms as far apart as they are drawn, from the least that can be met to short of all."""
    steps = [10 ** (step / STEPS) for step in range(-3 * STEPS, 0)]
    return [least, *(rate for rate in steps if rate > least)]


def _line(tried: Tried) -> Line:
    least = "" if tried.least == FEWEST else f" at {100 * tried.least:.2g}%"
    return Line(
        where=tried.condition.words,
        defense=tried.defense,
        attack=tried.attack,
        asked=f"{counted(len(tried.placed), tried.carrier)}, {counted(tried.strangers, 'stranger')} each",
        few=tried.found(FEW).words if tried.least <= FEW else DASH,
        fewest=f"{tried.found(tried.least).words}{least}",
    )


def _sentence(tried: Sequence[Tried]) -> str:
    """Who finds most at the fewest false alarms, beside what guessing does."""
    most = max(tried, key=lambda one: one.found(one.least).mean / one.least)
    return (
        f"At {100 * most.least:.2g}% false alarms, where guessing finds {number(most.least)} of the members, "
        f"{most.attack} under “{most.defense}” ({most.condition.words}) finds {most.found(most.least).words}: the most "
        "beside guessing of all that were tried."
    )


def _charts(tried: Sequence[Tried]) -> list[Lines]:
    """A ROC for each setting and defense; an attack keeps its color in all of them."""
    names = list(dict.fromkeys(one.attack for one in tried))
    charts = []
    for condition, defense in dict.fromkeys((one.condition, one.defense) for one in tried):
        own = {one.attack: one.curve for one in tried if (one.condition, one.defense) == (condition, defense)}
        title = f"{condition.words}, {defense}: share of members found"
        for first in range(0, len(names), SERIES - 1):
            shown = names[first : first + SERIES - 1]
            if any(name in own for name in shown):
                charts.append(_chart(title, {name: own.get(name, ()) for name in shown}))
    return [chart for chart in charts if chart is not None]


def _chart(title: str, curves: Mapping[str, Points]) -> Lines | None:
    drawn = {**curves, GUESSING: [(FEWEST, FEWEST), (1.0, 1.0)]}
    return lines_of(title, "share of strangers taken for members", drawn, lowest=FEWEST)
