"""What trap weights collect through secure aggregation on `photos-wide-mlp`: the share of the photos at 40 dB or more.

    python benchmarks/trap_weights.py

A federation of one round for each seed; the sum is all that is read. Beside the tuned scales, those of the paper.
"""

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
import typer

from fedleak.api import attack, capture, score

SEEDS = range(5)
ENOUGH = 40.0
"""PSNR in dB from which a photo counts as recovered."""
TASK = "photos-wide-mlp"
COHORTS = ((8, 1), (8, 8))
"""Clients, and examples of each."""
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"spread": 1.0}, {"scale": 0.95})


@dataclass(frozen=True, kw_only=True)
class Trapped:
    """What came of one federation."""

    share: float
    """Of the photos at 40 dB or more."""
    proved: int
    """Guesses that the attacker has proved."""
    worst: float
    """PSNR in dB of the worst of these, against the photo that it is most like; infinite without any."""
    whole: bool
    """Whether there is a certificate of all."""
    seconds: float
    """Processor time of the attack."""


def main(seeds: int = len(SEEDS)) -> None:
    """Prints a line for each cohort and each way to choose scales."""
    for clients, batch in COHORTS:
        for options in OPTIONS:
            found = [trapped(clients, batch, options, seed) for seed in range(seeds)]
            said = ", ".join(f"{key} = {value:g}" for key, value in options.items()) or "default"
            shares = [one.share for one in found]
            typer.echo(
                f"{clients} x {batch}, {said}: {statistics.mean(shares):.3f} (least {min(shares):.3f}); "
                f"{sum(one.proved for one in found)} photos proved, the worst at {min(one.worst for one in found):.0f} "
                f"dB; {sum(one.whole for one in found)} of {seeds} sums certified whole; "
                f"{statistics.mean(one.seconds for one in found):.1f} CPU s an attack"
            )


def trapped(clients: int, batch: int, options: dict[str, Any], seed: int) -> Trapped:
    """One round through secure aggregation, and what is read of the sum."""
    does, masks = [{"use": "trap-weights", **options}], [{"use": "secure-aggregation"}]
    seen = capture(TASK, defense=masks, server=does, seed=seed, clients=clients, batch_size=batch)[-1]
    started = time.process_time()
    guess = attack(seen, "trap-readout", seed=seed)
    seconds = time.process_time() - started
    if guess.inputs is None or guess.certified is None:
        return Trapped(share=0.0, proved=0, worst=math.inf, whole=False, seconds=seconds)
    (figure,) = score(guess, seen, ("psnr",))
    proved = guess.inputs[guess.certified].flatten(1).double()
    apart = torch.cdist(proved, seen.truth.inputs.flatten(1).double()).square() / proved.shape[1]
    return Trapped(
        share=statistics.mean(value >= ENOUGH for value in figure.per_sample),
        proved=len(proved),
        worst=min((-10 * math.log10(max(error, 1e-10)) for error in apart.amin(1).tolist()), default=math.inf),
        whole=guess.certificate is not None,
        seconds=seconds,
    )


if __name__ == "__main__":
    typer.run(main)
