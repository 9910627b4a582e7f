"""How often labels of a poisoned model say which share of the training data has a property: many models, one task.

    python benchmarks/property_poison.py adult-linear:PATH sex=Female --label 1

Models of the clients' data, half of them of each share, are told apart by `property-queries` with shadow models of
public data, the same for all of them; at a rate of 0 nobody poisons. `--deep-sets` has what weights of the clean models
say beside it.
"""

import time
from typing import Annotated, Any

import torch
import typer
from scipy.stats import binomtest

from fedleak.attacks.parts.records.shadow_scores import shadow_scores
from fedleak.contracts.attack import attacks
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import ShadowBank
from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.serving.served_model import ServedModel
from fedleak.tamperings.property_poison import PropertyPoison
from fedleak.tasks import task_of

RATES, SHARES, CLIENTS = (0.0, 0.05, 0.1), (0.3, 0.6), 2
MOST_PUBLIC = 10_000


class Once(ShadowBank):
    """Trains each set of models once, for all that are asked about."""

    def __init__(self) -> None:
        self.kept: dict[str, NamedTensors] = {}

    def trained(self, asked: StackedFederations) -> NamedTensors:
        if asked.address not in self.kept:
            self.kept[asked.address] = asked.trained()
        return self.kept[asked.address]


def main(
    name: str,
    property: str,
    label: int = 1,
    examples: int = 1000,
    rounds: int = 10,
    epochs: int = 4,
    batch_size: int = 50,
    learning_rate: float = 0.05,
    targets: int = 100,
    shadows: int = 200,
    queries: int = 100,
    deep_sets: Annotated[bool, typer.Option("--deep-sets")] = False,
) -> None:
    """Prints for each rate: right answers and the interval of their share, and accuracy of the models."""
    task, splits = task_of(name), load(name)
    public = splits.auxiliary[torch.arange(min(MOST_PUBLIC, len(splits.auxiliary)))]
    training = LocalTraining(batch_size=batch_size, epochs=epochs, learning_rate=learning_rate)
    honest, answers = federations_by_share(
        task,
        splits.clients,
        training,
        has=having(splits.clients, property, "property"),
        shares=SHARES,
        federations=targets,
        clients=CLIENTS,
        examples=examples,
        rounds=rounds,
    )
    bank = Once()
    for rate in RATES:
        started = time.process_time()
        poison = PropertyPoison(property=property, rate=rate, label=label)
        models = poison.in_shadows(honest, 0).trained()
        test = splits.test[torch.arange(min(2000, len(splits.test)))]
        said = torch.cat([scores.argmax(2) for scores in shadow_scores(task, models, test)])
        right = (said == test.labels).double().mean()
        known: dict[str, Any] = {
            "task": task,
            "auxiliary": public,
            "property": property,
            "shares": SHARES,
            "cohort": tuple(range(CLIENTS)),
            "round": rounds,
            "training": training,
            "num_examples": examples,
            "shadows": bank,
            "tampering": (poison,),
        }
        names = ["property-queries", *(["deep-sets"] if deep_sets and not rate else [])]
        for attack in names:
            hits = 0
            for place in range(targets):
                weights = Weights({key: value[place] for key, value in models.items()}, {})
                service = ServedModel(task, weights, queries=queries, seed=(place,))
                view = Served(service=service, **known) if attack == names[0] else Released(weights=weights, **known)
                options = {"shadows": shadows} | ({"probes": queries} if attack == names[0] else {})
                made = attacks.build(attack, options).run(view, generator("benchmark", place))
                if made.properties is None:
                    raise typer.BadParameter(str(made.failure))
                hits += int(made.properties.argmax()) == int(answers[place])
            low, high = binomtest(hits, targets).proportion_ci(method="exact")
            seconds = time.process_time() - started
            typer.echo(
                f"rate {rate:4.2f} {attack}: {hits / targets:.2f} [{low:.2f}, {high:.2f}] of {targets}; accuracy "
                f"{right:.3f}; {seconds:.0f} CPU s"
            )


if __name__ == "__main__":
    typer.run(main)
