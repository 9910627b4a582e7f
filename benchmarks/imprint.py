"""What a planted layer gives back of a sum over clients, beside what chance leaves alone in its bins; Markdown tables.

    python benchmarks/imprint.py [--seeds N] [--only WORDS]
    python benchmarks/imprint.py --proofs 100

Real federations on tiles of photographs, through secure aggregation; the attack's default options. A seed draws
weights, clients, examples and the direction of the layer. An image counts as rebuilt from 40 dB PSNR on, and what was
not found counts as not rebuilt. "Expected" is `(1 - 1/k)^(N-1)`, of a one-shot imprint times the share of examples that
bins are for, "most" the share that chance goes beyond once in 1,000 tables of as many seeds. Seconds are of processor
time, on one thread, of a federation and of an attack. Status 1 where a share of one local step is beyond that, or where
a proof is wrong.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from fedleak.api import Capture, attack, capture, score
from fedleak.contracts.manipulation import manipulations
from fedleak.goals.matching import matched
from fedleak.statistics.singletons import most_singletons

EXACT = 40.0
"""PSNR from which an image is rebuilt."""
SUMMED = ({"use": "secure-aggregation"},)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row: what is planted, and in which federation."""

    task: str = "photos-convnet"
    form: str = "sparse"
    bins: int = 512
    clients: int = 8
    batch_size: int = 8
    epochs: int = 1

    def __str__(self) -> str:
        steps = f", {self.epochs} local steps" if self.epochs > 1 else ""
        return f"{self.form}, {self.task}, {self.clients} x {self.batch_size}{steps}, {self.bins:,} bins"

    @property
    def examples(self) -> int:
        return self.clients * self.batch_size

    @property
    def equal_bins(self) -> int:
        """Of a one-shot imprint each bin has the share of one example."""
        return max(self.bins, self.examples) if self.form == "one-shot" else self.bins

    @property
    def options(self) -> dict[str, Any]:
        """Of the server."""
        return {"form": self.form, "bins": self.bins}

    @property
    def expected(self) -> float:
        """The share that chance leaves alone in a bin."""
        return (manipulations.build("imprint", self.options).expected_alone(self.examples) or 0.0) / self.examples

    def captured(self, seed: int) -> Capture:
        """The sum over the clients, with their examples."""
        federation: Any = {"clients": self.clients, "batch_size": self.batch_size, "epochs": self.epochs}
        return capture(
            self.task,
            server=[{"use": "imprint", **self.options}],
            defense=SUMMED,
            seed=seed,
            adversary={"victims": 1},
            **federation,
        )[-1]


SETTINGS = (
    Setting(),
    Setting(form="linear"),
    Setting(bins=1024),
    Setting(form="linear", bins=1024),
    Setting(bins=1024, clients=32),
    Setting(bins=2048, batch_size=64),
    Setting(epochs=3),
    Setting(form="linear", epochs=3),
    Setting(form="weights", task="photos-wide-mlp", bins=1024),
    Setting(form="weights", task="photos-wide-mlp", bins=1024, epochs=3),
    Setting(form="one-shot", bins=2, clients=32),
)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What one federation gave away."""

    rebuilt: int
    proved: int
    wrong: int
    """Proofs of what is no private image."""
    trained: float
    attacked: float


def draw(setting: Setting, seed: int) -> Draw:
    """Runs and reads one federation."""
    started = time.process_time()
    captured = setting.captured(seed)
    trained = time.process_time()
    guess = attack(captured, "imprint-readout", seed=seed)
    attacked = time.process_time() - trained
    (figure,) = score(guess, captured, ["psnr"])
    proved, wrong = 0, 0
    if guess.inputs is not None and guess.certified is not None:
        sure = matched(guess.inputs[guess.certified], captured.truth)
        errors = (sure - captured.truth.inputs).double().square().flatten(1).mean(1)
        proved, wrong = int(guess.certified.sum()), int((errors > 10 ** (-EXACT / 10)).sum())
    return Draw(
        rebuilt=sum(value >= EXACT for value in figure.per_sample),
        proved=proved,
        wrong=wrong,
        trained=trained - started,
        attacked=attacked,
    )


def row(setting: Setting, draws: list[Draw]) -> Mapping[str, str]:
    """A row of the table."""
    shares, bins = [one.rebuilt / setting.examples for one in draws], setting.equal_bins
    most = most_singletons(setting.examples, bins, len(draws)) / (setting.examples * len(draws))
    return {
        "setting": str(setting),
        "rebuilt": f"{mean(shares):.3f}",
        "of each seed": ", ".join(f"{share:.3f}" for share in shares),
        "expected": f"{setting.expected:.3f}",
        "most": f"{most:.3f}" if setting.bins == bins else "",
        "proved": f"{mean(one.proved for one in draws) / setting.examples:.3f}",
        "proved wrongly": str(sum(one.wrong for one in draws)),
        "seconds": f"{mean(one.trained for one in draws):.1f} + {mean(one.attacked for one in draws):.1f}",
    }


def table(settings: Iterator[Setting], seeds: int) -> bool:
    """Prints the table; whether all of it can be."""
    sound, headed = True, False
    for setting in settings:
        draws = [draw(setting, seed) for seed in range(seeds)]
        found = row(setting, draws)
        if not headed:
            say("| " + " | ".join(found) + " |\n" + "|---" * len(found) + "|")
            headed = True
        say("| " + " | ".join(found.values()) + " |")
        beyond = found["most"] and float(found["rebuilt"]) > float(found["most"])
        sound &= not (setting.epochs == 1 and beyond) and found["proved wrongly"] == "0"
    return sound


def proofs(draws: int) -> bool:
    """Prints how many proofs there are in as many draws, and how many are wrong; in bins that many images share."""
    kinds = [Setting(), Setting(form="linear", bins=64), Setting(bins=64), Setting(epochs=3, bins=64),
             Setting(form="weights", task="photos-wide-mlp", bins=64)]  # fmt: skip
    made = [(kinds[seed % len(kinds)], seed) for seed in range(draws)]
    found = [draw(setting, 1000 + seed) for setting, seed in made]
    wrong = sum(one.wrong for one in found)
    say(f"{sum(one.proved for one in found)} proofs in {draws} draws, {wrong} of them wrong")
    return not wrong


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="settings whose words have this")
    parser.add_argument("--proofs", type=int, help="draws in which proofs are looked at")
    options: Any = parser.parse_args()
    torch.set_num_threads(1)
    if options.proofs:
        return int(not proofs(options.proofs))
    chosen = (setting for setting in SETTINGS if options.only in str(setting))
    return int(not table(chosen, options.seeds))


if __name__ == "__main__":
    sys.exit(main())
