"""The look of a curious server at what it was sent: attacks on each update, a table, and pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curious.task import Net, photos_of
from fedleak.api import attack, score
from fedleak.captures import Capture
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.figures.panels import Line, Panel, Picture, draw
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.given import task_of
from fedleak.learning.update import Update, UpdateKind
from fedleak.wiretap.journal import Exchange, read_journal

WIDTHS = (8, 22, 12, 10, 8)


def look(wire: Path, out: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """A line for each client and attack of the first round, then where the pictures are."""
    names = [name.strip() for name in str(config["attacks"]).split(",")]
    yield _line("client", "attack", "PSNR in dB", "guessing", "labels")
    pictures = []
    heard = [one for one in read_journal(wire) if one.type == "train" and one.round == 1 and one.received]
    for one in sorted(heard, key=lambda one: one.received.numbers["client"]):
        client = int(one.received.numbers["client"])
        capture = seen(one, client, config)
        guesses = {name: attack(capture, name) for name in names}
        for name, guess in guesses.items():
            pixels, labels = score(guess, capture, ["psnr", "label-recall"])
            right = "right" if labels.value == 1 else "-" if guess.labels is None else "wrong"
            yield _line(client, name, f"{pixels.value:.1f}", f"{pixels.baseline:.1f}", right)
        pictures.append(_drawn(capture.truth.inputs, guesses, out / f"client-{client}.png"))
    for path in pictures:
        yield f"pictures {path}"


def seen(one: Exchange, client: int, config: Mapping[str, Any]) -> Capture:
    """What the server has of a client: both weights and how clients train; and the photos, to compare with."""
    before, after = (
        {name: torch.tensor(value) for name, value in part.arrays().items()} for part in (one.sent, one.received)
    )
    truth = Batch(*photos_of(client, int(config["photos"])))
    net = Net()
    net.load_state_dict(before)
    task = task_of(net, truth, "train")
    observation = Observation(
        task=task,
        before=task.split(before),
        update=Update({name: after[name] - value for name, value in before.items()}, UpdateKind.DELTA),
        num_examples=int(one.received.numbers["num-examples"]),
        training=LocalTraining(
            learning_rate=float(config["learning-rate"]), batch_size=len(truth), batches=1, epochs=1
        ),
        round=1,
        cohort=(client,),
    )
    return Capture(observation, truth)


def _drawn(photos: Tensor, guesses: Mapping[str, Reconstruction], path: Path) -> Path:
    lines = [Line(title="photo", pictures=tuple(Picture(image=one) for one in photos))]
    for name, guess in guesses.items():
        if guess.inputs is not None:
            order = [int((guess.inputs - one).square().flatten(1).mean(1).argmin()) for one in photos]
            lines.append(Line(title=name, pictures=tuple(Picture(image=guess.inputs[at].clamp(0, 1)) for at in order)))
    draw(
        Panel(title="what the server read", columns=("",) * len(photos), lines=tuple(lines), note="from one update"),
        path,
    )
    return path


def _line(*cells: object) -> str:
    return "".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
