"""What trap weights collect through secure aggregation on `photos-wide-mlp`: the share of the photos at 40 dB or more.

    python benchmarks/trap_weights.py

A federation of one round for each seed; the sum is all that is read. Beside the tuned scales, those of the paper.
"""

import statistics
import time
from typing import Any

import typer

from fedleak.api import attack, capture, score

SEEDS = range(5)
ENOUGH = 40.0
"""PSNR in dB from which a photo counts as recovered."""
TASK = "photos-wide-mlp"
COHORTS = ((8, 1), (8, 8))
"""Clients, and examples of each."""
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"spread": 1.0}, {"scale": 0.95})


def main(seeds: int = len(SEEDS)) -> None:
    """Prints a line for each cohort and each way to choose scales."""
    for clients, batch in COHORTS:
        for options in OPTIONS:
            shares, certified, seconds = zip(
                *(trapped(clients, batch, options, seed) for seed in range(seeds)), strict=True
            )
            said = ", ".join(f"{key} = {value:g}" for key, value in options.items()) or "default"
            typer.echo(
                f"{clients} x {batch}, {said}: {statistics.mean(shares):.3f} (least {min(shares):.3f}), "
                f"{sum(certified)} of {seeds} certified, {statistics.mean(seconds):.1f} CPU s an attack"
            )


def trapped(clients: int, batch: int, options: dict[str, Any], seed: int) -> tuple[float, bool, float]:
    """The share that is recovered, whether that is certified, and the attack's processor time."""
    does = [{"use": "trap-weights", **options}]
    masks = [{"use": "secure-aggregation"}]
    seen = capture(TASK, defense=masks, server=does, seed=seed, clients=clients, batch_size=batch)[-1]
    started = time.process_time()
    guess = attack(seen, "trap-readout", seed=seed)
    seconds = time.process_time() - started
    if guess.failure:
        return 0.0, False, seconds
    (figure,) = score(guess, seen, ("psnr",))
    right = [value >= ENOUGH for value in figure.per_sample]
    return statistics.mean(right), guess.certificate is not None, seconds


if __name__ == "__main__":
    typer.run(main)
