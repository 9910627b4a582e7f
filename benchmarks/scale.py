"""Measures where gradient inversion works and where it fails, by the preset `diagnostic.toml`: docs/scale.md.

    python benchmarks/scale.py run [--data FOLDER] [--jobs N] [--seeds N] [--out FOLDER]   into docs/scale.json
    python benchmarks/scale.py write                                                       from it alone

`run` measures the preset as it is, on tiles of photographs, and with `--data` also on CIFAR-10 from
FOLDER/cifar10-jpeg/test/CLASS/*.jpg: some twenty minutes of processor time each. It can be stopped and goes
on where it stopped: the runs are in `--out`.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from reproduction import here, say
from scale_page import page

from fedleak.experiment.experiment import read_tree
from fedleak.experiment.grid import combinations_of, parse_campaign
from fedleak.results.schema import finite_or_null
from fedleak.run import run as run_campaign
from fedleak.settings import Table
from fedleak.statistics.summary import Summary

ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "docs" / "scale.json", ROOT / "docs" / "scale.md"
TILES, CIFAR = "tiles of photographs", "CIFAR-10"
IMAGES, LABELS = "psnr", "label-recall"


def run(options: argparse.Namespace) -> int:
    """Measures each set and writes down what came of it; the number of runs with problems."""
    record: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    preset = read_tree(Path(str(files("fedleak") / "presets" / "diagnostic.toml")))
    preset["seed"] = preset["seed"][: options.seeds]
    trees = {TILES: preset}
    if options.data is not None:
        trees[CIFAR] = on_folder(preset, options.data / "cifar10-jpeg" / "test")
    problems = 0
    for number, (data, tree) in enumerate(trees.items()):
        if options.only not in data:
            continue
        started = time.perf_counter()
        outcome = run_campaign(parse_campaign(tree), options.out / str(number), jobs=options.jobs)
        problems += len(outcome.problems)
        rows = figures(outcome.analysis.summaries)
        record[data] = {"rows": rows, "order": list(combinations_of(tree["vary"])), **here()}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        say(f"{data}: {len(rows)} figures in {time.perf_counter() - started:.0f} s; {' '.join(outcome.problems)}")
    return problems


def on_folder(tree: Table, folder: Path) -> Table:
    """The same experiment on a folder of images."""
    changed = copy.deepcopy(tree)
    for part in (changed, *changed["vary"]):
        if "task" in part:
            part["task"] = f"image-folder-{part['task'].removeprefix('photos-')}:{folder}"
    return changed


def figures(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """What the page says of each attack in each setting: images, and the share of the labels that were read."""
    read = {one.group.variant: one.mean for one in summaries if one.group.metric == LABELS}
    return [facts(one, read[one.group.variant]) for one in summaries if one.group.metric == IMAGES]


def facts(summary: Summary, labels: float) -> dict[str, Any]:
    """Of the images of one attack in one setting."""
    known = {"mean": summary.mean, "low": summary.interval.low, "high": summary.interval.high, "prior": summary.prior}
    return {
        **{key: finite_or_null(value) for key, value in {**known, "labels": labels}.items()},
        "setting": dict(summary.group.setting)["vary"],
        "attack": summary.group.attack,
        "leaked": summary.leaked,
        "samples": len(summary.samples),
        "threshold": summary.threshold,
        "messages": summary.messages,
        "failed": summary.failed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    measuring = verbs.add_parser("run", help="measure, into docs/scale.json")
    measuring.add_argument("--data", type=Path, help="the folder with CIFAR-10 as image files")
    measuring.add_argument("--only", default="", help="only the set whose name contains this")
    measuring.add_argument("--jobs", type=int, default=1, help="so many attacks at once, each on one thread")
    measuring.add_argument("--seeds", type=int, help="the first so many seeds of the preset")
    measuring.add_argument("--out", type=Path, default=Path("runs/scale"), help="where the runs are kept")
    verbs.add_parser("write", help="write docs/scale.md from docs/scale.json")
    options = parser.parse_args()
    if options.verb == "run":
        return int(run(options) > 0)
    PAGE.write_text(page(json.loads(RECORD.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
