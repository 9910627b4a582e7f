"""Study: a preset measured on tiles of photographs and on CIFAR-10 into a record, and the page that is made of it."""

import argparse
import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from reproduction import here, say
from scale_page import SETS

from fedleak.experiment.experiment import read_tree
from fedleak.experiment.grid import parse_campaign
from fedleak.run import Outcome
from fedleak.run import run as run_campaign
from fedleak.settings.base import Table

ROOT = Path(__file__).resolve().parents[1]
TILES, CIFAR = SETS


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is measured, and what is written of it."""

    name: str
    """Of the record and the page in docs/, and of the folder of runs."""
    preset: str
    facts: Callable[[Outcome], Mapping[str, Any]]
    """What the record keeps of a run on one set."""
    page: Callable[[Mapping[str, Any]], str]
    """The page from the record alone."""
    completed: Callable[[Table], Table] = lambda tree: tree
    """What the command that is documented makes of the preset."""

    @property
    def record(self) -> Path:
        return ROOT / "docs" / f"{self.name}.json"

    def run(self, options: argparse.Namespace) -> int:
        """Measures each set and writes down what came of it; the number of runs with problems."""
        record: dict[str, Any] = json.loads(self.record.read_text()) if self.record.exists() else {}
        preset = read_tree(Path(str(files("fedleak") / "presets" / f"{self.preset}.toml")))
        preset["seed"] = preset["seed"][: options.seeds]
        if "utility" in preset:
            preset["utility"]["seeds"] = [seed for seed in preset["utility"]["seeds"] if seed in preset["seed"]]
        trees = {TILES: preset}
        if options.data is not None:
            trees[CIFAR] = on_folder(preset, options.data / "cifar10-jpeg" / "test")
        problems = 0
        for number, (data, tree) in enumerate(trees.items()):
            if options.only not in data:
                continue
            started = time.perf_counter()
            out = (options.out or Path("runs", self.name)) / str(number)
            outcome = run_campaign(parse_campaign(self.completed(tree)), out, jobs=options.jobs)
            problems += len(outcome.problems)
            record[data] = {**self.facts(outcome), **here()}
            self.record.write_text(json.dumps(record, indent=1) + "\n")
            say(f"{data}: {time.perf_counter() - started:.0f} s; {' '.join(outcome.problems)}")
        return problems

    def main(self, doc: str) -> int:
        """The command line."""
        parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        verbs = parser.add_subparsers(dest="verb", required=True)
        measuring = verbs.add_parser("run", help=f"measure, into docs/{self.name}.json")
        measuring.add_argument("--data", type=Path, help="the folder with CIFAR-10 as image files")
        measuring.add_argument("--only", default="", help="only the set whose name contains this")
        measuring.add_argument("--jobs", type=int, default=1, help="so many attacks at once, each on one thread")
        measuring.add_argument("--seeds", type=int, help="the first so many seeds of the preset")
        measuring.add_argument("--out", type=Path, help=f"where the runs are kept, else runs/{self.name}")
        verbs.add_parser("write", help=f"write docs/{self.name}.md from docs/{self.name}.json")
        options = parser.parse_args()
        if options.verb == "run":
            return int(self.run(options) > 0)
        self.record.with_suffix(".md").write_text(self.page(json.loads(self.record.read_text())))
        return 0


def on_folder(tree: Table, folder: Path) -> Table:
    """The same experiment on a folder of images."""
    changed = copy.deepcopy(tree)
    for part in (changed, *changed.get("vary", [])):
        if "task" in part:
            part["task"] = f"image-folder-{part['task'].removeprefix('photos-')}:{folder}"
    return changed
