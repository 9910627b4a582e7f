"""How many branches of a decision tree path restriction tells of columns that the other party holds.

    python benchmarks/branches.py FOLDER [--trees 5] [--depth 5]

Two parties hold half of the columns each of scikit-learn's breast cancer, of its diabetes, and of its digits as a
table; each tree is fitted to other rows, four fifths of them. The figure is the share of branches at hidden columns,
along the path that a row really takes, that a guess takes too, of up to 500 rows that were trained on and others: the
mean over trees, and the least and the greatest. Beside path restriction stand the same without the answer (a path at
random among those that the known columns allow), values at random, and an imputer that knows no tree.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
import typer
from jaxtyping import Float
from joint_answers import pixels
from torch import Tensor

from fedleak.attacks.attributes.path_restriction import tree_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.served import Served
from fedleak.contracts.splitting import columns_of_others
from fedleak.data.splits import load
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.space import require_table
from fedleak.randomness import generator
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table, parse_settings


def released(folder: Path, task: Table, seed: int) -> Message:
    """A tree on four fifths of the rows, drawn by the seed."""
    columns = {"partition": "columns", "clients": 2, "columns": "halves", "release": "last"}
    path = folder / f"seed-{seed}"
    plan = parse_settings(
        FederationPlan,
        {
            "seed": seed,
            "task": task,
            "federation": columns,
            "recordings": str(path / "recordings" / "none"),
            "vault": str(path / "vault" / "none"),
        },
    )
    rows = 4 * len(load(plan.source).clients) // 5
    federation = plan.federation.model_copy(update={"batch_size": rows})
    run_federation(plan.model_copy(update={"federation": federation}))
    return Message.at(path / "recordings" / "none" / "round-0001" / "model.json")


def rates(message: Message) -> dict[str, float]:
    """The share of branches by the name of a guess."""
    hidden = columns_of_others(message.recording.task.space, message.recording.split)
    terms = Terms(adversary=AdversarySettings(queries=2000, hidden=hidden))
    view, challenge = observe(message, terms, attacks.build("path-restriction", {}))
    assert challenge is not None
    assert isinstance(view, Served)
    assert view.predictions is not None
    silent = replace(view, predictions=torch.full_like(view.predictions, torch.nan))
    mask = require_table(challenge.candidates.space, "a hidden column").mask(hidden)
    uniform = 2 * torch.rand(len(challenge.candidates), int(mask.sum()), generator=generator("uniform")) - 1
    guesses = {
        "path-restriction": attacks.build("path-restriction", {}).run(view, generator(0)).columns,
        "a path at random": attacks.build("path-restriction", {}).run(silent, generator(0)).columns,
        "values at random": uniform,
        "imputer": attacks.build("no-access", {}).run(view, generator(0)).columns,
    }
    return {name: _rate(view, challenge.candidates.inputs, mask, guess) for name, guess in guesses.items()}


def _rate(view: Served, rows: Float[Tensor, "rows values"], mask: Tensor, guess: Tensor | None) -> float:
    """Of all branches at hidden columns along the true paths."""
    assert view.weights is not None
    assert guess is not None
    (tree, order), guessed = tree_of(view.task, view.weights), rows.clone()
    guessed[:, mask] = guess.to(rows)
    right = []
    for nodes in tree.path(rows[:, order])[:, :-1].unbind(1):
        asked = mask[order[tree.features[nodes]]] & (tree.thresholds[nodes] < 1)
        same = tree.above(rows[:, order], nodes) == tree.above(guessed[:, order], nodes)
        right.append(same[asked])
    return float(torch.cat(right).double().mean())


def main() -> None:
    """Prints a line for each table and guess."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trees", type=int, default=5)
    parser.add_argument("--depth", type=int, default=5)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    numbers = pixels(options.folder / "pixels.csv")
    digits: Table = {"data": f"csv:{options.folder / 'pixels.csv'}", "data_options": {"numbers": numbers}}
    for title, data in {
        "breast-cancer": {"data": "breast-cancer"},
        "diabetes": {"data": "diabetes"},
        "digits": digits,
    }.items():
        task = {**data, "network": "decision-tree", "options": {"depth": options.depth}}
        found = [rates(released(options.folder / title, task, seed)) for seed in range(1, options.trees + 1)]
        for name in found[0]:
            own = torch.tensor([one[name] for one in found])
            typer.echo(f"{title}, {name}: {own.mean():.2f} ({own.min():.2f} to {own.max():.2f})")


if __name__ == "__main__":
    main()
