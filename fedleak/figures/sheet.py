"""Sheets: rows of pictures in groups side by side, one of each defense, with words where there is nothing to show."""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fedleak.figures.panels import DOTS, Picture, show
from fedleak.io.atomic import write_atomically

SIDE, GAP = 0.92, 0.07
"""Inches of a picture, and between two."""
CAPTION, WORDS, AIR = 0.15, 0.15, 0.17
"""Inches below a picture for its caption, for a line of words below a block, and between rows."""
HEAD, BODY = 0.17, 0.13
"""Inches of a line of words in place of a block, of the first sentence and of the second."""
LINES = 2
"""Of words below a block, at most."""
LEFT, APART = 1.75, 0.3
"""Inches for titles of rows, and between groups."""
TOP, BOTTOM, NOTE = 1.02, 0.3, 0.15
"""Inches above the first row, below the last, and of a line of the note."""
LETTERS, SMALL = 14.0, 18.5
"""Letters to an inch of the note, and of words below a block."""
LEAKED, CALM, GRAY = "#b3261e", "#2f6b3c", "#555555"
"""Colors of what came back exactly, of what a server did not get, and of what is said beside."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """What a row shows in one group: pictures with words below them, or words alone over the room of all."""

    pictures: tuple[Picture, ...] = ()
    words: str = ""
    more: str = ""
    """A second sentence where there are no pictures."""
    leaked: bool = False
    """Whether words tell of what came back exactly."""
    calm: bool = False
    """Whether it is well that there is nothing, as where clients refused."""


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """A row: what it is of, and a block for each group."""

    title: str
    subtitle: str = ""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """All of it; every block with pictures has one for each column."""

    title: str
    groups: tuple[tuple[str, str], ...]
    """Name, and what it is in a few words."""
    columns: tuple[str, ...]
    """Of each group."""
    rows: tuple[SheetRow, ...]
    note: str = ""

    @property
    def wide(self) -> float:
        """Inches of a group."""
        return max(len(self.columns), 1) * (SIDE + GAP) - GAP


def draw_sheet(sheet: Sheet, path: Path) -> Path:
    """Writes the picture whole; raises `OutputError` where it cannot be written."""
    width = LEFT + len(sheet.groups) * (sheet.wide + APART) - APART / 2
    note = textwrap.wrap(sheet.note, int(width * LETTERS))
    heights = [_height(sheet, row) for row in sheet.rows]
    height = TOP + sum(heights) + BOTTOM + NOTE * len(note)
    page = _Page(sheet, width, height)
    page.write(0.1, 0.14, sheet.title, size=12, weight="bold")
    page.heads()
    top = TOP
    for row, tall in zip(sheet.rows, heights, strict=True):
        page.row(row, top)
        top += tall
    page.write(0.1, height - 0.12, "\n".join(note), size=8, color=GRAY, va="bottom", linespacing=1.35)
    buffer = io.BytesIO()
    page.figure.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())


def _height(sheet: Sheet, row: SheetRow) -> float:
    shown = [block for block in row.blocks if block.pictures]
    captions = CAPTION * any(picture.caption for block in shown for picture in block.pictures)
    return SIDE + captions + WORDS * max((len(_below(sheet, block)) for block in shown), default=0) + AIR


def _below(sheet: Sheet, block: Block) -> list[str]:
    return textwrap.wrap(block.words, int(sheet.wide * SMALL), max_lines=LINES, placeholder=" …")


class _Page:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, sheet: Sheet, width: float, height: float) -> None:
        self.sheet, self.width, self.height = sheet, width, height
        self.figure = Figure(figsize=(width, height), dpi=DOTS, facecolor="white")
        FigureCanvasAgg(self.figure)

    def write(self, x: float, y: float, text: str, **how: object) -> None:
        """Text whose upper left corner is there, unless `how` says otherwise."""
        place = {"va": "top", "ha": "left", **how}
        if text:
            self.figure.text(x / self.width, 1 - y / self.height, text, **place)  # type: ignore[arg-type]

    def left(self, group: int) -> float:
        """Where a group begins."""
        return LEFT + group * (self.sheet.wide + APART)

    def heads(self) -> None:
        """Names of groups, and of columns below them."""
        for group, (name, about) in enumerate(self.sheet.groups):
            x = self.left(group)
            self.write(x, 0.44, name, size=10.5, weight="bold")
            self.write(x, 0.62, about, size=8, color=GRAY)
            for column, words in enumerate(self.sheet.columns):
                middle = x + column * (SIDE + GAP) + SIDE / 2
                self.write(middle, TOP - 0.06, words, size=7.5, color=GRAY, ha="center", va="bottom")

    def row(self, row: SheetRow, top: float) -> None:
        """Title and blocks, side by side."""
        title = textwrap.fill(row.title, 20)
        self.write(0.1, top + SIDE / 2 - 0.02, title, size=9.5, weight="bold", va="bottom")
        self.write(0.1, top + SIDE / 2 + 0.02, textwrap.fill(row.subtitle, 26), size=7.8, color=GRAY)
        for group, block in enumerate(row.blocks):
            if block.pictures:
                self.pictures(block, self.left(group), top)
            else:
                self.nothing(block, self.left(group), top)

    def pictures(self, block: Block, left: float, top: float) -> None:
        """One beside the other, those that came back exactly in a frame of their own."""
        for column, picture in enumerate(block.pictures):
            box = (left + column * (SIDE + GAP)) / self.width, 1 - (top + SIDE) / self.height
            axes = self.figure.add_axes((*box, SIDE / self.width, SIDE / self.height))
            show(axes, picture, frame=LEAKED if picture.exact else None, letters=15, size=7.5)
        captions = CAPTION * any(picture.caption for picture in block.pictures)
        words = "\n".join(_below(self.sheet, block))
        color = LEAKED if block.leaked else "#333333"
        self.write(left, top + SIDE + captions + 0.04, words, size=7.8, color=color, linespacing=1.15)

    def nothing(self, block: Block, left: float, top: float) -> None:
        """Words in a field as wide as the group."""
        color = CALM if block.calm else GRAY
        self.figure.add_artist(
            Rectangle(
                (left / self.width, 1 - (top + SIDE) / self.height),
                self.sheet.wide / self.width,
                SIDE / self.height,
                transform=self.figure.transFigure,
                facecolor="#eef5ef" if block.calm else "#f4f3f0",
                edgecolor=color,
                linewidth=0.8,
                linestyle=(0, (4, 3)),
            )
        )
        words, more = (
            textwrap.wrap(text, int(self.sheet.wide * many)) for text, many in ((block.words, 15), (block.more, 17.5))
        )
        tall = HEAD * len(words) + BODY * len(more)
        x, y = left + self.sheet.wide / 2, top + (SIDE - tall) / 2
        self.write(x, y, "\n".join(words), size=8.5, weight="bold", color=color, ha="center")
        self.write(x, y + HEAD * len(words), "\n".join(more), size=7.3, color=color, ha="center", linespacing=1.2)
