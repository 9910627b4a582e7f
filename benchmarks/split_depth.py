"""What is left of MNIST digits at each depth of a cut: He et al.'s two attacks, without noise at the cut and with it.

    python benchmarks/split_depth.py --seeds 1,2,3 --picture depth.png
    python benchmarks/split_depth.py --seeds 1,2,3 --noise 2,20

Party 1 holds all pixel columns but the first. The joint network trains for one epoch, and the first batch of the next
one is attacked, 32 images, by the party with the labels; noise is there from that batch on. Accuracy is of the test
split, after two epochs more.
"""

import math
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.cut import Cut
from fedleak.data.public import public_examples
from fedleak.evaluation.cuts import CutMessage, cut_of
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.figures.panels import Line, Panel, Picture, draw
from fedleak.goals.own_columns import columns_by_own_columns
from fedleak.learning.input_space import InputSpace
from fedleak.randomness import generator
from fedleak.recording.diary import stem_of
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings

WIDTH, SHOWN = 28, 8
DEPTHS = {1: "conv1", 5: "conv2 and ReLU"}
TRAINING = {"batch_size": 32, "batches": "all", "learning_rate": 0.05, "momentum": 0.9}
NAMES = ("regularised-likelihood", "inverse-network")


def main(
    seeds: Annotated[str, typer.Option(help="Of federations.")] = "1,2,3",
    noise: Annotated[str, typer.Option(help="Scales of cut-noise.")] = "0",
    cuts: Annotated[str, typer.Option(help="How many layers are below the cut.")] = "1,5",
    public: Annotated[int, typer.Option(help="Public examples.")] = 256,
    hidden: Annotated[int, typer.Option(help="Pixel columns of party 1: the last so many.")] = 27,
    only: Annotated[str, typer.Option(help="Attacks.")] = ",".join(NAMES),
    picture: Annotated[Path | None, typer.Option(help="A PNG of the first seed's digits.")] = None,
) -> None:
    """Prints a line for each federation and attack: PSNR over the hidden part, mean of the images."""
    lines: list[Line] = []
    for scale in (float(one) for one in noise.split(",")):
        for cut in (int(one) for one in cuts.split(",")):
            for seed in (int(one) for one in seeds.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    view, truth, accuracy = _recorded(Path(folder), cut, scale, seed, public, hidden)
                    where = f"scale {scale:g} cut {cut} seed {seed}"
                    typer.echo(f"{where}: accuracy {accuracy:.3f}, {_blind(view, truth)}")
                    space = view.task.space
                    if not lines:
                        lines.append(_line("truth", "", truth, truth, space))
                    for name in only.split(","):
                        began = time.process_time()
                        made = attacks.build(name, {}).run(view, generator("split depth", seed)).columns
                        assert made is not None
                        spent = time.process_time() - began
                        typer.echo(f"{where}: {name} {_psnr(made, truth).mean():.1f} dB in {spent:.0f} CPU s")
                        if seed == int(seeds.split(",")[0]):
                            title = f"{DEPTHS.get(cut, cut)}" + (f", noise {scale:g}" if scale else "")
                            lines.append(_line(title, name, made, truth, space))
    if picture is not None:
        columns = tuple(f"row {place}" for place in range(SHOWN))
        draw(Panel(title="MNIST below a cut", columns=columns, lines=tuple(lines)), picture)


def _recorded(folder: Path, cut: int, scale: float, seed: int, public: int, hidden: int) -> tuple[Cut, Tensor, float]:
    """What the active party sees, the truth in what is hidden of it, and the accuracy."""
    own = [list(range(WIDTH - hidden)), list(range(WIDTH - hidden, WIDTH))]
    tree = {
        "task": "mnist-lenet5",
        "seed": seed,
        "federation": {"partition": "columns", "clients": 2, "columns": own, "cut": cut, "rounds": 1, **TRAINING},
        "model": {"trained_rounds": 1},
        "utility": {"rounds": 1},
        "chain": [{"use": "cut-noise", "scale": scale}] if scale else [],
    }
    plan = parse_settings(FederationPlan, {**tree, "recordings": f"{folder}/seen", "vault": f"{folder}/vault"})
    report = run_federation(plan)
    path = Path(plan.recordings) / stem_of(0, 1)
    message = CutMessage(path=path, recordings=Path(plan.recordings), vault=Path(plan.vault or ""))
    adversary = AdversarySettings(bottoms="weights", auxiliary=public)
    view, challenge = cut_of(message, "columns", adversary, public_examples(message.source, public), None)
    assert challenge is not None
    accuracy = report.evaluation[max(report.evaluation)]["accuracy"] if report.evaluation else math.nan
    return view, challenge.candidates.inputs[..., list(view.places)], accuracy


def _blind(view: Cut, truth: Tensor) -> str:
    """What is said without the embeddings."""
    assert view.auxiliary is not None
    mean = view.auxiliary.inputs.mean(0)[..., list(view.places)].expand_as(truth)
    line = columns_by_own_columns(view, generator("unused"))
    assert line is not None
    return f"prior {_psnr(mean, truth).mean():.1f} dB, own columns {_psnr(line, truth).mean():.1f} dB"


def _psnr(made: Tensor, truth: Tensor) -> Tensor:
    return -10 * torch.log10((made - truth).square().flatten(1).mean(1).clamp_min(1e-12))


def _line(title: str, name: str, made: Tensor, truth: Tensor, space: InputSpace) -> Line:
    captions = [f"{value:.1f} dB" if name else "" for value in _psnr(made, truth)[:SHOWN].tolist()]
    pictures = (
        Picture(image=space.picture(image), caption=caption)
        for image, caption in zip(made[:SHOWN], captions, strict=True)
    )
    return Line(title=title, subtitle=name, pictures=tuple(pictures))


if __name__ == "__main__":
    typer.run(main)
