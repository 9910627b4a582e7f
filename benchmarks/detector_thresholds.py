"""Measures what checks of received models find in honest federations, and how often their default thresholds err.

    python benchmarks/detector_thresholds.py [--seeds N] [--first N] [--rounds N] [--only TASK]
    python benchmarks/detector_thresholds.py --cost

Four clients, averaged each round, from fresh weights: evenly shared examples and skewed ones (Dirichlet .3), batches of
1, 4, 8 and 64 in one local step, two epochs over five batches of 8, and five over twenty, which learn much. Of each
figure the 99% quantile over clients and rounds and the greatest, by task and batch; then in how many rounds of a client
each figure raises an alarm at its default, by batch. `--first` takes other seeds: those that no threshold was set on.
`--cost` says what the checks take a client in processor time, and the hash that `model-consistency` compares.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import torch
from flwr.app import RecordDict

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.received import Received
from fedleak.data.partitioning import partition
from fedleak.data.splits import load
from fedleak.defenses.d_snr import DSNR
from fedleak.defenses.loss_watch import LossWatch
from fedleak.defenses.parts.model_check import ModelCheck
from fedleak.defenses.weight_watch import WeightWatch
from fedleak.federation import wire
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, one_thread
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASKS = ("digits-mlp", "photos-convnet", "photos-wide-mlp")
CHECKS: tuple[ModelCheck, ...] = (WeightWatch(), DSNR(), LossWatch())
CLIENTS, WATCHING = 4, 2
SHARES = {
    "even": {},
    "skewed": {
        "partitioner": "DirichletPartitioner",
        "partitioner_options": {"alpha": 0.3, "partition_by": "label", "min_partition_size": 160},
    },
}
TRAINING = {
    "1": {"batch_size": 1},
    "4": {"batch_size": 4},
    "8": {"batch_size": 8},
    "64": {"batch_size": 64},
    "8 x 5 x 2": {"batch_size": 8, "batches": 5, "epochs": 2},
    "8 x 20 x 5": {"batch_size": 8, "batches": 20, "epochs": 5},
}


def received(task: str, shares: str, training: str, seed: int, rounds: int) -> Iterator[Received]:
    """What the watching clients of one honest federation are sent, round by round."""
    settings = FederationSettings(clients=CLIENTS, **SHARES[shares], **TRAINING[training])  # type: ignore[arg-type]
    public, fresh, weights = task_of(task), initial_weights(task, seed + 1000), initial_weights(task, seed)
    held = load(task).clients
    own = [held[places] for places in partition(held, settings, seed)]
    taken, earlier = settings.batch_size * settings.training().batches, None
    for round in range(1, rounds + 1):
        after = []
        for client, share in enumerate(own):
            order = torch.randperm(len(share), generator=generator(seed, "examples", client, round))
            examples, local = share[order[:taken]], settings.training()
            if client < WATCHING:
                yield Received(
                    task=public, weights=weights, earlier=earlier, fresh=fresh, examples=examples, training=local,
                    round=round,
                )  # fmt: skip
            after.append(client_round(public, weights, examples, local, Chain(), (seed, client, round)).weights)
        earlier, weights = weights, mean_of(after)


def mean_of(weights: list[Weights]) -> Weights:
    """Of several models, all counting alike."""
    states = [one.state_dict() for one in weights]
    return weights[0].like({name: sum(one[name] for one in states) / len(states) for name in states[0]})


def cost() -> None:
    """Prints the best of several of each, as whatever else runs on the machine only adds to it."""
    content = RecordDict({"arrays": wire.to_arrays({"weights": torch.rand(1_000_000, generator=generator("cost"))})})
    print(f"hash of 1e6 float32 entries {1e3 * best(lambda: wire.model_digest(content)):.2f} ms")  # noqa: T201
    for task in TASKS:
        *_, last = received(task, "even", "64", 0, 2)
        for check in CHECKS:
            seconds = best(lambda check=check, last=last: check.inspect(last))  # type: ignore[misc]
            print(f"{task}, batch 64, {check.name:12} {1e3 * seconds:.1f} ms")  # noqa: T201


def best(work: Callable[[], object], times: int = 7) -> float:
    """Least processor time of several."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def main(options: argparse.Namespace) -> None:
    raised: dict[str, list[bool]] = defaultdict(list)
    for task in [options.only] if options.only else TASKS:
        for training in TRAINING:
            found: dict[str, list[float]] = defaultdict(list)
            for shares in SHARES:
                for seed in range(options.first, options.first + options.seeds):
                    for one in received(task, shares, training, seed, options.rounds):
                        for check in CHECKS:
                            for name, value in check.statistics(one).items():
                                found[f"{check.name} {name}"].append(value)
                                limit = check.thresholds[name]
                                raised[f"{check.name} {name}, batch {training}"].append(value > limit)
            print(f"\n{task}, batch {training}", flush=True)  # noqa: T201
            for name, values in found.items():
                high = torch.tensor(values, dtype=torch.float64).quantile(0.99)
                print(f"  {name:24} 99% {high:10.4g}   greatest {max(values):10.4g}   of {len(values)}", flush=True)  # noqa: T201
    print("\nalarms at the defaults")  # noqa: T201
    for name, alarms in raised.items():
        print(f"  {name:36} {sum(alarms)} of {len(alarms)}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--cost", action="store_true")
    arguments = parser.parse_args()
    with one_thread():
        cost() if arguments.cost else main(arguments)
