"""Gallery of servers: what each rebuilt under each defense, a row for each server and a group for each defense."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from torch import Tensor

from fedleak.analysis.conditions import Tried, condition_of_point, condition_of_row
from fedleak.analysis.judgement import BASELINES
from fedleak.analysis.loot import group_of, loot_of
from fedleak.analysis.recovered import PSNR
from fedleak.contracts.chain import Chain
from fedleak.errors import RecordingError
from fedleak.evaluation.holdings import batches_of
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import narrowed
from fedleak.experiment.campaign import Campaign, Point
from fedleak.figures.panels import Picture, against
from fedleak.figures.server_words import nothing, shortened, words_of_chain, words_of_loot, words_of_setting
from fedleak.figures.sheet import Block, Sheet, SheetRow
from fedleak.formatting import counted
from fedleak.learning.batch import Batch
from fedleak.results.federation_row import FederationRow, read_federations
from fedleak.results.row import Row, read_results
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder

ACROSS, FEWEST, GROUPS, ROWS = 9, 2, 4, 16
"""Examples over all groups, the fewest of a group, groups and rows of servers, that are shown at most."""
NOT_ASKED = "not its target"
TILE = 60
"""Letters of a reason in the place of a picture."""
NOTE = (
    "below each guess its PSNR; in a red frame 40 dB or more, which the eye cannot tell from the truth; of several "
    "attacks the one that got most"
)
AnyRow = TypeVar("AnyRow", Row, FederationRow)
Key = bytes
"""An example, by its values."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What the attack that got most of a server's messages rebuilt under one defense."""

    block: Block
    """With words below the pictures, or in place of them."""
    guesses: dict[Key, Picture] = field(default_factory=dict)
    priors: dict[Key, Picture] = field(default_factory=dict)

    def shown(self, keys: Sequence[Key]) -> Block:
        """The block with its pictures of these examples."""
        if not self.guesses:
            return self.block
        return replace(self.block, pictures=tuple(self.guesses.get(key, Picture(reason=NOT_ASKED)) for key in keys))


@dataclass(frozen=True, kw_only=True)
class _Example:
    """A private example, and whose it is."""

    client: int
    place: int
    truth: Batch

    @property
    def picture(self) -> Picture:
        return Picture(image=self.truth.space.picture(self.truth.inputs[self.place]))


def collect_servers(folder: RunFolder, campaign: Campaign) -> Sheet | None:
    """Truth, prior and a row for each server, of the first seed and the last recorded round of each federation.

    Examples are shown that most servers were after, told by what these did and never by what they got. None where all
    servers are honest, or no attack has a figure of images.
    """
    seed = campaign.first.seed
    points = [point for point in campaign.points if point.split == "test" and point.experiment.seed == seed]
    if all(point.experiment.server.honest for point in points):
        return None
    rows = [row for row in read_results(folder.results) if row.metric == PSNR and row.algorithm not in BASELINES]
    if not any(row.per_sample for row in rows):
        return None
    return _Collector(folder, points, rows, read_federations(folder.federations)).sheet(campaign.name)


class _Collector:
    def __init__(
        self, folder: RunFolder, points: Sequence[Point], rows: Sequence[Row], federations: Sequence[FederationRow]
    ) -> None:
        self.folder, self.rows, self.federations = folder, _placed(rows), _placed(federations)
        attacked = {condition for condition, _ in self.rows}
        self.points = points = [point for point in points if condition_of_point(point) in attacked]
        self.several = len({point.experiment.task.label for point in points}) > 1
        defenses = {row.name: Chain.build(row.chain) for point in points for row in point.experiment.defenses}
        self.defenses = dict(list(defenses.items())[:GROUPS])
        self.left_out = len(defenses) - len(self.defenses)
        self.parts = {(number, name): self._part(point, name)
                      for number, point in enumerate(points) for name in self.defenses}  # fmt: skip
        self.examples = self._examples()
        self.keys = self._chosen()

    def sheet(self, name: str) -> Sheet:
        """The whole picture."""
        servers = [self._row(number, point) for number, point in enumerate(self.points) if self._belongs(number)]
        return Sheet(
            title=name,
            groups=tuple((name, words_of_chain(chain)) for name, chain in self.defenses.items()),
            columns=tuple(f"client {self.examples[key].client}" for key in self.keys),
            rows=(*self._known(), *servers[:ROWS]),
            note=f"{'; '.join([*self._notes(len(servers)), NOTE])}",
        )

    def _part(self, point: Point, defense: str) -> _Part:
        experiment, place = point.experiment, (condition_of_point(point), defense)
        begins, shown = 1 if experiment.server.honest else experiment.server.begins, experiment.federation.rounds
        own = [row for row in self.rows.get(place, ()) if row.round >= begins]
        now = [row for row in own if (row.seed, row.round) == (experiment.seed, shown)]
        played = next((row for row in self.federations.get(place, ())
                       if (row.seed, row.round) == (experiment.seed, shown)), None)  # fmt: skip
        best = loot_of(own)
        loot = loot_of(row for row in now if best and best.group == group_of(row))
        if loot is None:
            return _Part(block=nothing(point, played, now))
        guesses, priors = {}, {}
        for row in now:
            if group_of(row) == loot.group:
                for key, guess, prior in self._guessed(row):
                    guesses[key], priors[key] = guess, prior
        return _Part(
            block=Block(words=words_of_loot(point, loot, played), leaked=loot.exact > 0), guesses=guesses, priors=priors
        )

    def _guessed(self, row: Row) -> Iterator[tuple[Key, Picture, Picture]]:
        """Each example that the row's attack was after, with its guess and the prior's."""
        try:
            saved = cell_file.load(self.folder.cell(row))
            truth = narrowed(Message.of(self.folder, row), saved.about).truth
        except RecordingError:
            return  # missing or damaged: a picture can be made without
        pictures = zip(truth.inputs, against(saved.guess, truth), against(saved.prior, truth), strict=True)
        for example, guess, prior in pictures:
            yield _key(example), replace(guess, reason=shortened(guess.reason, TILE)), replace(prior, exact=False)

    def _examples(self) -> dict[Key, _Example]:
        """All that clients trained on in the rounds that are shown."""
        found: dict[Key, _Example] = {}
        for point in self.points:
            for defense in self.defenses:
                vault = self.folder.vault(defense, point.federation)
                for client, truth in batches_of(vault, point.experiment.federation.rounds).items():
                    for place, example in enumerate(truth.inputs):
                        found.setdefault(_key(example), _Example(client=client, place=place, truth=truth))
        return found

    def _chosen(self) -> list[Key]:
        """Those that most attacks were after; of as many the first of each client before the second of any."""
        asked = Counter(key for part in self.parts.values() for key in part.guesses)

        def order(key: Key) -> tuple[int, int, int]:
            return -asked[key], self.examples[key].place, self.examples[key].client

        many = max(FEWEST, ACROSS // len(self.defenses))
        chosen = sorted(asked.keys() & self.examples.keys(), key=order)[:many]
        return sorted(chosen, key=lambda key: (self.examples[key].client, self.examples[key].place))

    def _belongs(self, number: int) -> bool:
        """Whether it was after any of the examples that are shown, or after nothing that is known."""
        parts = [self.parts[number, name] for name in self.defenses]
        return any(key in part.guesses for part in parts for key in self.keys) or not any(p.guesses for p in parts)

    def _known(self) -> Iterator[SheetRow]:
        """The truth, and what is guessed without any update; none of texts."""
        truth = tuple(self.examples[key].picture for key in self.keys)
        yield SheetRow(title="truth", blocks=(Block(pictures=truth),) * len(self.defenses))
        priors = {key: prior for part in reversed(self.parts.values()) for key, prior in part.priors.items()}
        if all(self.examples[key].truth.space.continuous and key in priors for key in self.keys):
            guesses = tuple(priors[key] for key in self.keys)
            yield SheetRow(
                title="prior", subtitle="no update used", blocks=(Block(pictures=guesses),) * len(self.defenses)
            )

    def _row(self, number: int, point: Point) -> SheetRow:
        blocks = tuple(self.parts[number, name].shown(self.keys) for name in self.defenses)
        return SheetRow(
            title=point.experiment.server.name, subtitle=words_of_setting(point, with_task=self.several), blocks=blocks
        )

    def _notes(self, servers: int) -> Iterator[str]:
        yield f"seed {self.points[0].experiment.seed}, the last recorded round"
        if self.left_out:
            yield f"{counted(self.left_out, 'more defense')} not shown"
        hidden = max(servers - ROWS, 0) + sum(not self._belongs(number) for number in range(len(self.points)))
        if hidden:
            yield f"{counted(hidden, 'more row')} not shown"


def _placed(rows: Iterable[AnyRow]) -> dict[Tried, list[AnyRow]]:
    """Test rows by condition and defense."""
    found: dict[Tried, list[AnyRow]] = {}
    for row in rows:
        if row.split == "test":
            found.setdefault((condition_of_row(row), row.defense), []).append(row)
    return found


def _key(example: Tensor) -> Key:
    return example.detach().contiguous().numpy().tobytes()
