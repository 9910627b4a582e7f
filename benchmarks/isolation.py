"""What a server gets of one client, or of one class, alone out of a sum on `photos-convnet`, beside what single updates
of the same photos give.

    python benchmarks/isolation.py

`inconsistency` and `isolated`: one photo a client, every victim of 8, and the first 8 of 64; mean PSNR beside that of
the same attack on the client's own update, and how far at most the isolated update is from that. Then `fishing` and
`fished`: 8 clients with 8 photos each whose classes differ from client to client, in rounds in which some class has one
photo, which is fished for; with `--class-mult 0.5` by a constant row of the last layer, as the paper's code has it.
"""

import statistics
from typing import Any

import torch
import typer

from fedleak.api import Capture, attack, capture, observe, score
from fedleak.attacks.parts.isolation import alone
from fedleak.learning.batch import Batch

TASK = "photos-convnet"
INNER: dict[str, Any] = {"use": "inverting-gradients", "steps": 300}
UNBOUND = [{"use": "secure-aggregation", "binds_model": False}]
VICTIMS = 8
UNEVEN: dict[str, Any] = {
    "clients": 8,
    "batch_size": 8,
    "partitioner": "DirichletPartitioner",
    "partitioner_options": {"alpha": 0.1},
}


def main(seed: int = 5, fish: int = 5, most: int = 64, class_mult: float = 0.0) -> None:
    """Prints a line for each cohort of up to `most` clients, and one for each fish."""
    for clients in (8, 64):
        if clients <= most:
            typer.echo(_isolated(clients, seed))
    figures: list[tuple[float, float]] = []
    tried = seed
    while len(figures) < fish:
        found = _fished(tried, {"class_mult": class_mult} if class_mult else {})
        figures += [] if found is None else [found]
        tried += 1
    if figures:
        typer.echo(f"fishing, mean of {fish}: {_means(figures)}")


def _isolated(clients: int, seed: int) -> str:
    single = capture(TASK, seed=seed, clients=clients)
    figures, errors = [], []
    for victim in range(VICTIMS):
        does = [{"use": "inconsistency", "victim": victim}]
        seen = capture(TASK, defense=UNBOUND, server=does, seed=seed, clients=clients)[-1].observation
        assert seen.isolation is not None
        own = single[victim]
        update = own.observation.update.vector()
        errors.append(float((alone(seen, seen.isolation).update.vector() - update).norm() / update.norm()))
        guess = attack(seen, "isolated", attack=INNER)
        figures.append((_psnr(guess, own), _psnr(attack(own, **_named(INNER)), own)))
    return f"{clients} clients, {VICTIMS} victims: {_means(figures)}, update off by {max(errors):.1e} at most"


def _fished(seed: int, options: dict[str, Any]) -> tuple[float, float] | None:
    """PSNR of the only photo of a class, fished for and from an update of its own; None where no class has one."""
    single = capture(TASK, seed=seed, **UNEVEN)
    labels = torch.cat([one.truth.labels for one in single])
    counts = torch.bincount(labels, minlength=single[0].observation.task.classes)
    if not (counts == 1).any():
        return None
    target = int((counts == 1).nonzero()[0])
    does = [{"use": "fishing", "target_class": target, **options}]
    seen = capture(TASK, defense=UNBOUND, server=does, seed=seed, **UNEVEN)[-1]
    photo = Batch(torch.cat([one.truth.inputs for one in single])[labels == target], torch.tensor([target]))
    network = single[0].observation.task.network
    network.load_state_dict(single[0].observation.before.state_dict())
    own = observe(network, photo.inputs, photo.labels)
    figures = _psnr(attack(seen, "fished", attack=INNER), own), _psnr(attack(own, **_named(INNER)), own)
    typer.echo(f"seed {seed}, 1 of class {target} among {len(labels)}: {_means([figures])}")
    return figures


def _named(table: dict[str, Any]) -> dict[str, Any]:
    return {"name": table["use"], **{key: value for key, value in table.items() if key != "use"}}


def _psnr(guess: Any, captured: Capture) -> float:
    return score(guess, captured, ("psnr",))[0].value


def _means(figures: list[tuple[float, float]]) -> str:
    out_of_sum, single = (statistics.mean(column) for column in zip(*figures, strict=True))
    return f"{out_of_sum:.2f} dB ({single:.2f} from updates of their own)"


if __name__ == "__main__":
    typer.run(main)
