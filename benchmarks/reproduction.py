"""Measures settings near those of papers and writes the page that compares: docs/reproduction.md.

    python benchmarks/reproduction.py run [--data FOLDER] [--only WORDS] [--draws N] [--seed N] [--jobs N] [--again]
    python benchmarks/reproduction.py write

`run` measures into docs/reproduction.json, row by row, and leaves out what that has already, so that it can be
stopped and goes on where it stopped; `--again` measures anew. CIFAR-10 is read from
FOLDER/cifar10-jpeg/test/CLASS/*.jpg, or without that from torchvision's files; images of ImageNet from
FOLDER/imagenet-samples/CLASS/*.JPEG. Rows whose attack, network or data there is not are left out. It ends with
status 1 when a row crashed. `write` makes the page of the record and of nothing else.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from drawing import Drawn, draw
from networks import register_networks
from papers import Setting
from reproduction_page import page
from rows import SETTINGS
from sets import found_in, register_sets

from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError, DataError
from fedleak.tasks import task_of

ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "docs" / "reproduction.json", ROOT / "docs" / "reproduction.md"


def run(options: argparse.Namespace) -> int:
    """Measures what was asked for and is not there yet; the number of rows that crashed."""
    record: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    prepare(options.data)
    waiting: dict[Future[dict[str, Any]], Setting] = {}
    with ProcessPoolExecutor(
        options.jobs, mp_context=get_context("spawn"), initializer=prepare, initargs=(options.data,)
    ) as pool:
        for setting in SETTINGS:
            if options.only not in setting.name:
                continue
            draws = options.draws or setting.case.draws
            if not options.again and finished(record.get(setting.name), setting, draws):
                say(f"{setting.name}: there already, {in_short(record[setting.name])}")
            elif missing := not_there(setting, options.data):
                say(f"{setting.name}: not run, {missing}")
            else:
                waiting[pool.submit(measured, setting, options.data, options.seed, draws)] = setting
        return sum(recorded(record, waiting[done], done) for done in as_completed(waiting))


def prepare(data: Path | None) -> None:
    """One thread, and the networks and data of the papers made known: in each process that measures."""
    torch.set_num_threads(1)
    register_networks()
    if data is not None:
        register_sets(data)


def finished(entry: dict[str, Any] | None, setting: Setting, draws: int) -> bool:
    """Whether a record is of this very setting, whole."""
    return entry is not None and entry["asked"] == setting.asked and len(entry["draws"]) == draws


def recorded(record: dict[str, Any], setting: Setting, done: Future[dict[str, Any]]) -> bool:
    """Writes down what came of a row; whether it crashed."""
    error = done.exception()
    if isinstance(error, DataError):
        say(f"{setting.name}: not run, {error}")
        return False
    found = crash(error) if error else done.result()
    record[setting.name] = {"asked": setting.asked, **found, **here()}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    say(f"{setting.name}: {in_short(record[setting.name])}")
    return error is not None


def measured(setting: Setting, data: Path | None, first: int, draws: int) -> dict[str, Any]:
    """All draws of a setting, and the processor time of everything, data and training included."""
    started = time.process_time()
    read = replace(setting, case=replace(setting.case, task=found_in(setting.case.task, data)))
    drawn: list[Drawn] = [draw(read, seed) for seed in range(first, first + draws)]
    return {
        "task": read.case.task,
        "draws": [asdict(one) for one in drawn],
        "processor_seconds": round(time.process_time() - started, 1),
    }


def not_there(setting: Setting, data: Path | None) -> str | None:
    """Why a setting cannot be measured with what is registered; None where it can."""
    try:
        attacks.build(setting.case.attack, setting.case.options)
        task_of(found_in(setting.case.task, data))
    except ConfigError as error:
        return str(error)
    return None


def crash(error: BaseException) -> dict[str, Any]:
    """The record of a setting that ended in an error; the whole of it is printed."""
    traceback.print_exception(error)
    return {"crash": f"{type(error).__name__}: {error}", "draws": [], "processor_seconds": 0.0}


def here() -> dict[str, Any]:
    """When, from which source and on what it was measured."""
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "revision": subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__,
                    "python": platform.python_version()},
    }  # fmt: skip


def processor() -> str:
    """The name of the processor's model, as far as the system tells."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_short(entry: dict[str, Any]) -> str:
    """A line of progress."""
    if "crash" in entry:
        return str(entry["crash"])
    figures = [one["figure"] for one in entry["draws"] if one["figure"] is not None]
    mean = f"{sum(figures) / len(figures):.4g}" if figures else "no figure"
    return f"{mean} in {len(figures)} of {len(entry['draws'])} draws, {entry['processor_seconds']:.1f} s"


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    measuring = verbs.add_parser("run", help="measure, into docs/reproduction.json")
    measuring.add_argument("--data", type=Path, help="the folder with CIFAR-10 and ImageNet as image files")
    measuring.add_argument("--only", default="", help="only rows whose name contains this")
    measuring.add_argument("--draws", type=int, help="so many draws of each, instead of its own number")
    measuring.add_argument("--seed", type=int, default=0, help="the first seed")
    measuring.add_argument("--jobs", type=int, default=1, help="so many rows at once, each on one thread")
    measuring.add_argument("--again", action="store_true", help="measure also what the record has")
    verbs.add_parser("write", help="write docs/reproduction.md from docs/reproduction.json")
    options = parser.parse_args()
    if options.verb == "run":
        return int(run(options) > 0)
    PAGE.write_text(page(json.loads(RECORD.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
