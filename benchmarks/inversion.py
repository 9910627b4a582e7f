"""Processor time of attacks on a released model, and how far it is from the floor: that of the answers alone.

    python benchmarks/inversion.py RUN [--queries 100 1000] [--repeats 3]

RUN is the folder of a run with a release, as `fedleak run fedleak/presets/inversion.toml --out RUN` makes it. Seconds
are the least of the repeats, divided by the classes that are asked about. `answers` is what the service takes for as
many inputs.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from fedleak.contracts.attack import attacks
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.randomness import generator, one_thread
from fedleak.settings.adversary import AdversarySettings

ATTACKS = ("confidence-inversion", "c2fmi", "boundary-inversion", "latent-inversion", "mi-face")


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    with one_thread():
        started = time.process_time()
        work()
        return time.process_time() - started


def seen(path: Path, name: str, queries: int) -> View:
    """What an attack is let at, new each time: a service that was asked has fewer questions left."""
    adversary = AdversarySettings(lacks=(0, 1, 2, 3, 4), queries=queries)
    return observe(Message.at(path), Terms(adversary=adversary), attacks.build(name, {}))[0]


def attacked(path: Path, name: str, queries: int, seed: int) -> float:
    """Seconds of one attack."""
    view, attack = seen(path, name, queries), attacks.build(name, {})
    return seconds(lambda: attack.run(view, generator(seed)))


def answered(path: Path, queries: int) -> float:
    """Seconds of the answers to as many inputs, all in one request."""
    view = seen(path, ATTACKS[0], queries)
    assert isinstance(view, Served)
    inputs = view.task.space.uniform(queries, generator("benchmark"))
    return seconds(lambda: view.service.ask(inputs))


def main() -> None:
    """Prints a line for each attack and number of queries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--queries", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    path = next(iter(sorted((words.run / "recordings").rglob("model.json"))), None)
    if path is None:
        parser.error(f"{words.run} has no released model; run an experiment with federation.release")
    typer.echo(f"{'attack':<24}{'queries':>8}{'s a class':>12}{'answers':>10}{'times the floor':>18}")
    for queries in words.queries:
        floor = min(answered(path, queries) for _ in range(words.repeats)) / 5
        for name in ATTACKS:
            own = min(attacked(path, name, queries, seed) for seed in range(words.repeats)) / 5
            typer.echo(f"{name:<24}{queries:>8}{own:>12.3f}{floor:>10.4f}{own / floor:>18.1f}")


if __name__ == "__main__":
    main()
