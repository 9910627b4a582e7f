"""Panels of pictures drawn into a PNG with crisp pixels: a gallery, or one guess below its truth."""

import io
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from fedleak.analysis.recovered import EXACT
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation import scoring
from fedleak.io.atomic import write_atomically
from fedleak.learning.batch import Batch
from fedleak.learning.space import InputSpace

SIDE = 1.15
"""Inches of a picture."""
GAP = 0.34
"""Inches below a picture, for its caption."""
LEFT = 2.0
"""Inches for the titles of the lines."""
TOP, BOTTOM = 0.85, 0.4
"""Inches above the first line, and below the last."""
NOTE, LETTERS = 0.14, 14.5
"""Inches of a line of the note below all, and letters to an inch of it."""
DOTS = 150
"""Pixels an inch."""
COLUMNS = 8
"""Examples of a single attack that are shown at most."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image in [0, 1] with a line below it; without an image, the reason in words takes its place."""

    image: Float[Tensor, "colors height width"] | None = None
    caption: str = ""
    reason: str = ""
    exact: bool = False
    """Whether it is a guess that the eye cannot tell from the truth."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of pictures, one for each column."""

    title: str
    subtitle: str = ""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A gallery: the truth first, the prior last, and what is not shown."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str = ""


def draw(panel: Panel, path: Path) -> Path:
    """Writes the picture whole; raises `OutputError` where it cannot be written."""
    columns, lines = max(len(panel.columns), 1), len(panel.lines)
    width = max(LEFT + columns * (SIDE + 0.08) + 0.1, 5.5)
    note = textwrap.wrap(panel.note, int(width * LETTERS))
    height = TOP + lines * (SIDE + GAP) + BOTTOM + NOTE * max(len(note) - 1, 0)
    figure = Figure(figsize=(width, height), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    _words(figure, panel.title, "\n".join(note), height)
    for row, line in enumerate(panel.lines):
        top = height - TOP - row * (SIDE + GAP)
        _titles(figure, line, top - SIDE / 2)
        for column, picture in enumerate(line.pictures):
            axes = _place(figure, LEFT + column * (SIDE + 0.08), top - SIDE)
            show(axes, picture)
            if row == 0:
                axes.set_title(panel.columns[column], fontsize=8, color="#555555", pad=3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())


def beside(title: str, guess: Float[Tensor, "guesses *shape"], truth: Batch | None, space: InputSpace) -> Panel:
    """The first guesses below their truths, each with its PSNR; the guesses alone where there is no truth."""
    if truth is None:
        pictures = tuple(_picture(space, example) for example in guess[:COLUMNS])
        return _panel(title, len(guess), [Line(title="guess", pictures=pictures)])
    psnr = scoring.score(Reconstruction(inputs=guess), truth, (metrics.build("psnr", {}),), scoring.NOT_GUESSED)[0]
    captions = ["" if math.isnan(value) else f"{value:.1f} dB" for value in psnr.per_sample or [math.nan] * len(truth)]
    matched = zip(scoring.matched(guess, truth)[:COLUMNS], captions, strict=False)
    lines = [
        Line(title="truth", pictures=tuple(_picture(space, example) for example in truth.inputs[:COLUMNS])),
        Line(title="guess", pictures=tuple(_picture(space, example, caption) for example, caption in matched)),
    ]
    return _panel(title, len(truth), lines)


def against(guess: Reconstruction, truth: Batch) -> list[Picture]:
    """A picture for each true example: the guess that was matched to it, or why there is none."""
    if guess.inputs is None:
        return [Picture(reason=guess.failure or "guesses labels only")] * len(truth)
    examples: Tensor = scoring.matched(guess.inputs, truth)
    psnr = scoring.score(guess, truth, (metrics.build("psnr", {}),), scoring.NOT_GUESSED)[0].per_sample
    return [
        Picture(reason="no guess for this example")
        if math.isnan(value) or not bool(example.isfinite().all())
        else Picture(image=truth.space.picture(example), caption=f"{value:.1f} dB", exact=value >= EXACT)
        for example, value in zip(examples, psnr, strict=True)
    ]


def _words(figure: Figure, title: str, note: str, height: float) -> None:
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.18 / height, title, fontsize=11, weight="bold", va="top")
    figure.text(0.1 / figure.get_figwidth(), 0.14 / height, note, fontsize=8, color="#555555", va="bottom")


def _titles(figure: Figure, line: Line, middle: float) -> None:
    x, y = 0.1 / figure.get_figwidth(), middle / figure.get_figheight()
    figure.text(x, y, textwrap.fill(line.title, 22), fontsize=9.5, weight="bold", va="bottom")
    if line.subtitle:
        figure.text(x, y - 0.04 / figure.get_figheight(), line.subtitle, fontsize=8.5, color="#333333", va="top")


def _place(figure: Figure, left: float, bottom: float) -> Axes:
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, SIDE / width, SIDE / height))


def show(axes: Axes, picture: Picture, *, frame: str | None = None, letters: int = 20, size: float = 8.5) -> None:
    """Draws a picture, or why there is none in lines of so many letters; in a frame of a color where one is given."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(frame or "#bbbbbb")
        spine.set_linewidth(2.0 if frame else 0.6)
    if picture.image is None:
        _write_reason(axes, picture.reason, letters)
        return
    pixels = picture.image.permute(1, 2, 0).numpy()
    gray = pixels.shape[2] == 1
    axes.imshow(pixels[:, :, 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=1,
                interpolation="nearest")  # fmt: skip
    axes.set_xlabel(picture.caption, fontsize=size, labelpad=2)


def _write_reason(axes: Axes, reason: str, letters: int) -> None:
    """Why there is no picture, in words, on a pale ground with a dashed border."""
    axes.set_facecolor("#f4f1ea")
    for spine in axes.spines.values():
        spine.set_linestyle((0, (3, 3)))
    words = textwrap.shorten(reason, 110, placeholder=" …")
    axes.text(0.5, 0.5, textwrap.fill(words, letters), fontsize=6, color="#7a3b1d", ha="center", va="center",
              transform=axes.transAxes)  # fmt: skip


def _panel(title: str, examples: int, lines: list[Line]) -> Panel:
    return Panel(
        title=title,
        columns=tuple(f"example {place}" for place in range(min(examples, COLUMNS))),
        lines=tuple(lines),
        note=f"{COLUMNS} of {examples} shown" if examples > COLUMNS else "",
    )


def _picture(space: InputSpace, example: Float[Tensor, "*shape"], caption: str = "") -> Picture:
    if not bool(example.isfinite().all()):
        return Picture(reason="no guess for this example")
    return Picture(image=space.picture(example), caption=caption)
