"""Rows, summaries and comparisons made by hand."""

import math
import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from fedleak.analysis.conditions import Condition
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.operating_point import Figure, OperatingPoint
from fedleak.analysis.strongest import attackers, strongest
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.evaluation.views import usual_queries
from fedleak.experiment.grid import parse_campaign
from fedleak.recording.files import read_recording
from fedleak.results.row import Row, write_results
from fedleak.run import run
from fedleak.runs.folder import RunFolder
from fedleak.runs.manifest import read_manifest
from fedleak.runs.reading import read_run
from fedleak.serving.log import write_log
from fedleak.serving.served_model import ServedModel
from fedleak.statistics.group import Group
from fedleak.statistics.intervals import Interval
from fedleak.statistics.paired_tests import Comparison
from fedleak.statistics.summary import Summary

PLAIN = {
    "task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "algorithm": "dlg", "attack": "dlg",
    "defense": "none", "client": 0, "round": 1, "seed": 0, "metric": "psnr", "baseline": 10.0, "no_access": 9.0,
    "certifiable": False, "certified": False, "certificate": None,
    "trouble": None, "diagnosis": None, "applicable": True, "unit": "dB", "higher_is_better": True,
    "reason": None, "seconds": 0.5,
}  # fmt: skip


def row(*samples: float, **changed) -> Row:
    """A row with these values per sample; without any it failed."""
    best, worst = (max, min) if changed.get("higher_is_better", True) else (min, max)
    figures = {
        "value": math.fsum(samples) / len(samples) if samples else math.nan,
        "best": best(samples, default=math.nan),
        "worst": worst(samples, default=math.nan),
        "reason": None if samples else "it raised",
    }
    blind = {**PLAIN, **changed}
    better = (max if blind.get("higher_is_better") else min)(blind["baseline"], blind["no_access"])
    guesses = {"per_sample": samples, "prior_per_sample": (better,) * len(samples), "samples": len(samples)}
    return Row(**{**PLAIN, **figures, **guesses, **changed})


@pytest.fixture(scope="session")
def make_row():
    return row


PLACE = {"task": "digits-mlp", "setting": (), "defense": "none", "algorithm": "dlg", "attack": "dlg",
         "sender": "client", "metric": "psnr"}  # fmt: skip


def group(**changed) -> Group:
    return Group(**{**PLACE, "algorithm": changed.get("attack", "dlg").partition(" ")[0], **changed})


def summary(*samples: float, half: float = 1.0, prior: float = 12.0, no_access: float = 9.0, **changed) -> Summary:
    """A summary of these samples, one a message, whose intervals reach `half` to either side; NaN: there is none."""
    fields = {key: changed.pop(key) for key in list(changed) if key not in PLACE}
    metric = metrics.get(changed.get("metric", "psnr"))
    higher = metric.higher_is_better
    sign = 1.0 if higher else -1.0
    mean = math.fsum(samples) / len(samples) if samples else math.nan
    guess = (max if higher else min)(prior, no_access)
    reached = [value for value in samples if sign * value >= sign * metric.threshold]
    gain = sign * (mean - guess)
    values = {
        "group": group(**changed), "unit": metric.unit, "higher_is_better": higher, "mean": mean,
        "interval": Interval(low=mean - half, high=mean + half, method="by hand"),
        "prior": prior, "no_access": no_access, "gain": gain,
        "gain_interval": Interval(low=gain - half, high=gain + half, method="by hand"),
        "beats_guessing": None if math.isnan(gain - half) else gain > half,
        "samples": samples, "threshold": metric.threshold,
        "leaked": len([value for value in reached if sign * (value - guess) >= metric.margin]),
        "worst_case": (max if higher else min)(samples, default=math.nan),
        "share": len(reached) / len(samples) if samples else math.nan,
        "share_interval": Interval(low=math.nan, high=math.nan, method="by hand"),
        "messages": len(samples), "failed": 0 if samples else 2, "seeds": 1,
        "failures": {} if samples else {"it raised": 2}, "certifiable": 0, "certified": 0, "partly": 0,
        "diagnoses": {}, "tuned": False,
    }  # fmt: skip
    return Summary(**{**values, **fields})


def comparison(difference: float, p_value: float, *, pairs: int = 4, **changed) -> Comparison:
    return Comparison(
        group=group(**changed),
        reference=group(**{**changed, "defense": "none"}),
        difference=difference,
        interval=Interval(low=difference - 1, high=difference + 1, method="by hand"),
        p_value=p_value,
        pairs=pairs,
        test="by hand",
    )


UNKNOWN = Figure.of({})


def result(name: str, *summaries: Summary, accuracy: float, half: float = 0.01, **changed) -> DefenseResult:
    """A defense without a chain, with what attacks that take no notice of it got."""
    interval = Interval(low=accuracy - half, high=accuracy + half, method="by hand")
    found = tuple(one for one in attackers(summaries) if one.messages)
    knows = (changed["adaptive"],) if changed.get("adaptive") else ()
    fields = {
        "condition": Condition(task="digits-mlp"), "chain": Chain(), "attackers": found, "plain": strongest(found),
        "informed": knows if changed.get("chain") else found, "broken": 0, "adaptive": None, "knowing": None,
        "sent": UNKNOWN, "encoded": UNKNOWN, "seconds": UNKNOWN, "memory": UNKNOWN,
        "guarantee": None, "whole": None, "bound": None, "trivial": UNKNOWN,
        "operating_point": OperatingPoint(differs="", attacked="round 1 (fresh weights)", rounds=(), rising=0),
    }  # fmt: skip
    return DefenseResult(defense=name, accuracy=Figure(mean=accuracy, interval=interval), **{**fields, **changed})


@pytest.fixture(scope="session")
def make_result():
    return result


@pytest.fixture(scope="session")
def make_summary():
    return summary


@pytest.fixture(scope="session")
def make_comparison():
    return comparison


CHEATED = {
    "name": "cheated", "seed": 1, "task": "digits-mlp", "metrics": ["psnr"],
    "federation": {"clients": 3, "batch_size": 2}, "attacks": [{"use": "imprint-readout"}, {"use": "analytic-linear"}],
    "servers": [{"name": "honest"}, {"name": "planting", "chain": [{"use": "imprint", "bins": 64}]}],
    "defenses": [
        {"name": "single", "chain": []}, {"name": "sum", "chain": [{"use": "secure-aggregation"}]},
        {"name": "watched", "chain": [{"use": "weight-watch"}, {"use": "secure-aggregation"}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="session")
def cheated_run(tmp_path_factory):
    """A finished run of an honest server and one that plants a layer: single updates, sums, sums with checks."""
    return read_run(run(parse_campaign(CHEATED), tmp_path_factory.mktemp("cheated") / "run").folder.root)


@attacks.register("test-idle")
@dataclass(frozen=True, kw_only=True)
class Idle(Attack[Released]):
    """Looks at a model and says nothing of it."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"
    asks: str

    def reconstruct(self, view, rng):
        return Reconstruction.failed("idle")


ASKING = ("usual", "noise", "steps", "few", "again", "silent")
WATCHED = {
    "name": "asked", "seed": [1, 2, 3, 4, 5], "task": "digits-mlp", "metrics": ["psnr"],
    "attacks": [{"use": "test-idle", "label": name, "asks": name} for name in ASKING],
    "federation": {"clients": 2, "batch_size": 16, "batches": 4, "release": "last"},
}  # fmt: skip


@pytest.fixture(scope="session")
def asked_run(tmp_path_factory):
    """A finished run of five seeds in which attacks asked what `traffic` says: by name, inputs from a seed.

    Names are of `ASKING`, and some of the seeds may be enough. Federations are real, and so are services and logs; what
    attacks guessed has no figure.
    """
    root = tmp_path_factory.mktemp("asked") / "run"
    idle = run(parse_campaign(WATCHED), root).rows

    def made(traffic, name="other", queries=1000, chain=(), seeds=(1, 2, 3, 4, 5)):
        folder = RunFolder(shutil.copytree(root, root.with_name(name)))
        chosen = [row for row in idle if row.seed in seeds]
        rows = [_asking(folder, row, asked(row.seed), queries, chain)
                for attack, asked in traffic.items() for row in chosen if row.attack == attack]  # fmt: skip
        write_results(folder.results, rows)
        manifest = read_manifest(folder.manifest)
        manifest.ended(1.0, 0, planned=len(rows), finished=len(rows)).write(folder.manifest)
        return read_run(folder.root)

    return made


def _asking(folder, row, inputs, queries, chain):
    """The row of an attack that asked these inputs, with its log in the folder."""
    released = read_recording(folder.recording(row)).released()
    benign = usual_queries(released.task.source)
    service = ServedModel(released.task, released.weights, queries=queries, chain=Chain.build(chain), benign=benign)
    service.ask(inputs)
    write_log(folder.queries(row), service.log)
    return replace(row, queries=len(service.log), refused=int(service.log.refused.sum()))
