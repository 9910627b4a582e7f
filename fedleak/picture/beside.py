"""One guess below its truth, example by example: the picture of a single attack."""

import math

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation import scoring
from fedleak.learning.batch import Batch
from fedleak.picture.panel import Line, Panel, Picture

COLUMNS = 8


def beside(title: str, guess: Float[Tensor, "guesses channels height width"], truth: Batch | None) -> Panel:
    """The first guesses below their truths, each with its PSNR; the guesses alone where there is no truth."""
    if truth is None:
        return _panel(title, len(guess), [Line(title="guess", pictures=tuple(_picture(i) for i in guess[:COLUMNS]))])
    psnr = scoring.score(Reconstruction(inputs=guess), truth, (metrics.build("psnr", {}),), scoring.NOT_GUESSED)[0]
    captions = ["" if math.isnan(value) else f"{value:.1f} dB" for value in psnr.per_sample or [math.nan] * len(truth)]
    images = zip(scoring.matched(guess, truth.inputs)[:COLUMNS], captions, strict=False)
    lines = [
        Line(title="truth", pictures=tuple(_picture(image) for image in truth.inputs[:COLUMNS])),
        Line(title="guess", pictures=tuple(_picture(image, caption) for image, caption in images)),
    ]
    return _panel(title, len(truth), lines)


def _panel(title: str, examples: int, lines: list[Line]) -> Panel:
    return Panel(
        title=title,
        columns=tuple(f"example {place}" for place in range(min(examples, COLUMNS))),
        lines=tuple(lines),
        note=f"{COLUMNS} of {examples} shown" if examples > COLUMNS else "",
    )


def _picture(image: Float[Tensor, "channels height width"], caption: str = "") -> Picture:
    if len(image) not in (1, 3):
        return Picture(reason=f"an image of {len(image)} channels")
    if not bool(image.isfinite().all()):
        return Picture(reason="no guess for this example")
    return Picture(image=image, caption=caption)
