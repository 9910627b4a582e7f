"""Exhibits: the truth of an attacked update and the guesses that came nearest, as a picture and as tensors."""

import math
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from fedleak.audit.trials import Trial
from fedleak.captures import Capture
from fedleak.figures.panels import Line, Panel, Picture, draw
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair

SHOWN = 8
"""Examples in a picture, at most."""
EXHIBITS = "exhibits"
"""Folder of tensors, for its owner alone."""
GUESSES = 6
"""Attacks in it, those whose guesses came nearest."""


def write_exhibit(made: Capture, trials: Sequence[Trial], out: Path, name: str, note: str) -> None:
    """Writes `NAME.png`, the truth and below it what attacks made of it, and the same as tensors below `exhibits`.

    Each guess stands below the example that it is nearest to; where several are, it comes several times.
    """
    truth = made.truth.inputs[:SHOWN]
    rows = [Line(title="truth", pictures=tuple(Picture(image=one) for one in truth))]
    tensors: dict[str, Tensor] = {"truth": truth}
    captions: dict[str, list[str]] = {}
    known = [one for one in trials if one.guess.inputs is not None and not math.isnan(one.looked.psnr)]
    for one in sorted(known, key=lambda one: (-one.looked.leaked, -one.looked.psnr))[:GUESSES]:
        assert one.guess.inputs is not None
        figures = next(score.per_sample for score in one.scores if score.metric == "psnr")
        guesses = one.guess.inputs.detach()[closest(truth, one.guess.inputs)].clamp(0, 1).float()
        title = one.looked.attack
        tensors[title], captions[title] = guesses, [f"{figures[place]:.1f} dB" for place in range(len(truth))]
        pairs = zip(guesses, captions[title], strict=True)
        rows.append(Line(title=title, pictures=tuple(Picture(image=image, caption=words) for image, words in pairs)))
    panel = Panel(title="what an audit read", columns=("",) * len(truth), lines=tuple(rows), note=note)
    draw(panel, out / f"{name}.png")
    write_pair(out / EXHIBITS / name, tensors, {"captions": captions}, private=out / EXHIBITS)


def has_exhibit(out: Path, name: str) -> bool:
    """Whether the tensors are there."""
    return beside(out / EXHIBITS / name, FACTS).exists()


def read_exhibit(out: Path, name: str) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Truth and guesses by attack, the nearest first, and what stands below each guess; raises `RecordingError`."""
    tensors, facts = read_pair(out / EXHIBITS / name)
    captions: dict[str, list[str]] = facts["captions"]
    return {name: tensors[name] for name in ("truth", *captions)}, captions


def name_of(client: int, round: int) -> str:
    """What the files of an exhibit are called, without their endings."""
    return f"client-{client}{f'-round-{round}' if round > 1 else ''}"


def closest(truth: Float[Tensor, "batch *shape"], guesses: Float[Tensor, "guesses *shape"]) -> list[int]:
    """For each example the guess that is nearest to it."""
    return [int((guesses - one).square().flatten(1).mean(1).argmin()) for one in truth]
