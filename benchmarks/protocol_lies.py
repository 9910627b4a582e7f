"""Lies in a protocol: what each lying server gets of its victim under each protocol, or what the clients answer.

    python benchmarks/protocol_lies.py [--clients 4] [--batch 64] [--task digits-mlp]

Each cell is a federation of one round. An error is that of the update that the server has of its victim, as a share of
the length of the true one; Flower's protocol rounds weights to a grid, which is what is left there.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.settings.base import Table, parse_settings
from fedleak.vault.batches import withdraw
from fedleak.verification.replay import compare, replay

LIES = ("asks-twice", "says-pretraining", "sybils", "forged-roster", "lies-about-dropouts")
PROTOCOLS: dict[str, Table] = {
    "`secure-aggregation`": {"use": "secure-aggregation", "keys": "seeded"},
    "the same, `registry = true`": {"use": "secure-aggregation", "keys": "seeded", "registry": True},
    "`secure-aggregation-flower`": {"use": "secure-aggregation-flower"},
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--task", default="digits-mlp")
    chosen = parser.parse_args()
    logging.getLogger("fedleak").setLevel(logging.ERROR)
    sentences: list[str] = []
    typer.echo(f"| server | {' | '.join(PROTOCOLS)} |\n|---|{'---|' * len(PROTOCOLS)}")
    for lie in LIES:
        cells = [cell(lie, chain, chosen, sentences) for chain in PROTOCOLS.values()]
        typer.echo(f"| `{lie}` | {' | '.join(cells)} |")
    for number, sentence in enumerate(sentences, 1):
        typer.echo(f"\n{number}. {sentence}")


def cell(lie: str, chain: Table, chosen: argparse.Namespace, sentences: list[str]) -> str:
    """What came of a lie; a sentence of the clients' is told by its number."""
    with TemporaryDirectory() as folder:
        plan = {
            "task": chosen.task,
            "recordings": f"{folder}/recordings",
            "vault": f"{folder}/vault",
            "federation": {"clients": chosen.clients, "batch_size": chosen.batch},
            "chain": [chain],
            "server": {"name": lie, "chain": [{"use": lie}]},
        }
        report = run_federation(parse_settings(FederationPlan, plan))
        errors = list(loot(report, Path(folder) / "vault"))
        whole = any(path.stem == "aggregate" for path in report.recordings)
    if errors:
        return f"victim read, error {errors[0]:.1e}; {'the sum is right' if whole else 'no other client takes part'}"
    said = next(one.reason.partition(": ")[2] for one in report.failures if one.client is not None)
    if said not in sentences:
        sentences.append(said)
    return f"refused ({sentences.index(said) + 1}); {'the round goes on' if whole else 'the round is lost'}"


def loot(report: FederationReport, vault: Path) -> Iterator[float]:
    """The error of each update that a server has in the clear."""
    for path in report.recordings:
        recording = read_recording(path)
        if recording.kind == "weights":
            yield compare(recording, replay(recording, withdraw(vault, recording.round, *recording.cohort))).error


if __name__ == "__main__":
    main()
