"""How far equality solving is off, by how many columns the other party holds: scikit-learn's digits as a table.

    python benchmarks/joint_answers.py FOLDER [--hidden 5 9 20] [--seeds 3]

Two parties train a logistic regression of ten classes on those 49 pixels that have more than a dozen values; the other
party holds some of them, drawn at random. Errors are of hidden values of 500 rows that were trained on and those of 359
others, in standard deviations of public rows; largest of all seeds, and the mean over seeds.
"""

import argparse
import random
from pathlib import Path

import torch
import typer
from sklearn.datasets import load_digits

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.space import require_table
from fedleak.learning.table import SPREAD
from fedleak.randomness import generator
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings

CHAINS = {"none": Chain(), "three digits": Chain.build(({"use": "rounding", "digits": 3},))}
FEWEST = 12
"""Different values of a pixel below which it is left out."""


def pixels(path: Path) -> list[str]:
    """Writes the table; its columns but the label."""
    frame = load_digits(as_frame=True).frame
    names = [name for name in frame.columns if name != "target" and frame[name].nunique() > FEWEST]
    frame["target"] = "digit " + frame["target"].astype(str)
    frame[[*names, "target"]].to_csv(path, index=False)
    return names


def released(folder: Path, names: list[str], hidden: list[str], seed: int) -> Message:
    """The joint model after five rounds."""
    path = folder / f"seed-{seed}" / f"hidden-{len(hidden)}"
    network = {"network": "linear", "options": {"embedding": 12}}
    federation = {"partition": "columns", "clients": 2, "cut": 2, "rounds": 5, "batch_size": 32, "batches": "all"}
    own = [name for name in names if name not in hidden]
    tree = {
        "seed": seed,
        "task": {"data": f"csv:{folder / 'pixels.csv'}", "data_options": {"numbers": names}, **network},
        "federation": {**federation, "columns": [own, hidden], "release": "last"},
        "recordings": str(path / "recordings" / "none"),
        "vault": str(path / "vault" / "none"),
    }
    run_federation(parse_settings(FederationPlan, tree))
    return Message.at(path / "recordings" / "none" / "round-0005" / "model.json")


def errors(message: Message, hidden: list[str], chain: Chain, name: str) -> torch.Tensor:
    """Of each hidden value the absolute error."""
    terms = Terms(adversary=AdversarySettings(queries=1000, hidden=tuple(hidden)), chain=chain)
    view, challenge = observe(message, terms, attacks.build("equality-solving", {}))
    guess: Reconstruction = attacks.build(name, {}).run(view, generator(0))
    assert challenge is not None
    assert guess.columns is not None, guess.failure
    table = require_table(challenge.candidates.space, "a hidden column")
    truth = challenge.candidates.inputs[:, table.mask(hidden)]
    return SPREAD * (guess.columns.double() - truth.double()).abs()


def main() -> None:
    """Prints a line for each number of hidden columns and row of answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, nargs="+", default=[5, 9, 20])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    names = pixels(options.folder / "pixels.csv")
    order = random.Random(1).sample(names, len(names))
    for count in options.hidden:
        hidden = order[:count]
        messages = [released(options.folder, names, hidden, seed) for seed in range(1, options.seeds + 1)]
        for title, chain, name in (
            *((title, chain, "equality-solving") for title, chain in CHAINS.items()),
            ("imputer", Chain(), "no-access"),
            ("public mean", Chain(), "prior"),
        ):
            found = torch.stack([errors(message, hidden, chain, name) for message in messages])
            figures = f"mean {found.mean():.2g}, largest {found.max():.2g}, mean square {found.square().mean():.2g}"
            typer.echo(f"{count} hidden, {title}: {figures}")


if __name__ == "__main__":
    main()
